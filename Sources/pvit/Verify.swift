import ArgumentParser
import Container
import Conversion
import Storage
import SystemPackage

/// `pvit verify`: checks every byte of a container.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check every byte of a .pvq file.",
        discussion: """
            This checks the structure, the checksum of every tile, the padding, and the digests of every tensor and of \
            the model. Of a packed delta, what the base is needed for is checked when the two are merged.

            Example:
              pvit verify pvit.pvq
            """)

    @Argument(help: "The .pvq file.")
    var file: FilePath

    @OptionGroup var display: OutputOptions

    func run() throws {
        Interruption.watch()
        let container = try withContainer(at: file) { try Container(opening: file, allowsPackedDelta: true) }
        let line = ProgressLine("verifying", quiet: display.quiet)
        defer { line.finish() }
        let digest = try container.verify { progress in
            line.update(done: progress.checkedByteCount, total: progress.byteCount)
        }
        line.finish()
        if container.needsBase { _ = try PackedDelta(container) }
        let kind = container.needsBase ? "intact packed delta" : "intact"
        try StandardOutput.write(
            "\(file.readable): \(kind), \(container.tensorCount) tensors, model digest \(digest)\n")
    }
}
