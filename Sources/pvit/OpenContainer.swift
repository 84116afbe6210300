import Architectures
import Checkpoints
import Container
import Conversion
import Storage
import SystemPackage

/// Opens a container with `use`. If the path is a checkpoint instead, the error tells what it is and how to convert it.
///
/// - Throws: `container.checkpoint`, the errors of checkpoints that cannot be converted, and what `use` throws.
func withContainer<Result>(at path: FilePath, _ use: () throws -> Result) throws -> Result {
    if isFolder(path) { throw checkpointInPlaceOfContainer(path) }
    do {
        return try use()
    } catch let error as PVITError where error.code == .notAContainer && error.file == path.string {
        throw checkpointInPlaceOfContainer(path)
    }
}

/// The error for something that is not a container: what it is, and the command that converts it.
private func checkpointInPlaceOfContainer(_ path: FilePath) -> any Error {
    let checkpoint: Checkpoint
    do {
        checkpoint = try ModelSource.open(path)
    } catch let error as PVITError where error.code == .formatUnknown {
        return PVITError(
            .checkpointInPlaceOfContainer,
            "this is neither a .pvq container nor \(isFolder(path) ? "a folder with a model" : "a checkpoint")",
            file: path, remedy: "give a .pvq file that `pvit quantize` made")
    } catch { return error }
    return PVITError(
        .checkpointInPlaceOfContainer,
        "this is a \(kind(of: checkpoint).title) (\(checkpoint.format)), not a .pvq container", file: path,
        remedy: "convert it: \(quantizeCommand(for: checkpoint))")
}

/// What a checkpoint is, and the arguments of `quantize` that go before its path.
private func kind(of checkpoint: Checkpoint) -> (title: String, arguments: String) {
    switch try? Tower.recognise(checkpoint)?.kind {
    case .vision: ("vision tower", "MODEL --vision-tower ")
    case .region: ("region encoder", "MODEL --region-encoder ")
    case nil:
        (try? CheckpointDiagnosis.looksLikeDelta(checkpoint)) == true ? ("delta", "BASE --delta ") : ("checkpoint", "")
    }
}

/// The command that converts a checkpoint. For a shard, it converts the whole folder.
private func quantizeCommand(for checkpoint: Checkpoint) -> String {
    var path = checkpoint.path
    if !isFolder(path), let whole = try? CheckpointSource.open(path.parentFolder), whole.sourceFiles.count > 1,
        whole.sourceFiles.contains(where: { $0.path.lastComponent == path.lastComponent })
    {
        path = path.parentFolder
    }
    let name = path.lexicallyNormalized()
    let stem = (isFolder(path) ? name.lastComponent?.string : name.stem) ?? "model"
    return "pvit quantize \(kind(of: checkpoint).arguments)\(path.string.quotedForShell) --output "
        + "\(stem).pvq".quotedForShell
}

extension String {
    /// The text quoted as one word for a shell.
    var quotedForShell: String {
        let plain = utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: ","):
                true
            default: false
            }
        }
        return plain && !isEmpty
            ? self : "'\(split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}

extension PVITError.Code {
    /// A checkpoint, or something else, was given instead of a container.
    static let checkpointInPlaceOfContainer = Self("container.checkpoint", .badData)
}
