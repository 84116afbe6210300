import Architectures
import Checkpoints
import Storage
import Tensors

/// Recognises the base that a delta was made from.
///
/// Deltas of other bases have the same shapes, and their sums look like models. Therefore `DeltaMerge.difference`
/// writes a digest of the base's norm weights to the delta's `config.json`. Norm weights are few, every training
/// changes them, and they are the same numbers in every format of a base.
enum BaseFingerprint {
    /// The member of `config.json`.
    static let key = "delta_base_norms_sha256"

    /// SHA-256 over the names and numbers, as f32, of a model's norm weights in the order of their names.
    static func of(_ source: any TensorSource) throws -> String {
        var hash = SHA256()
        let norms = source.tensors.filter { tensor in
            if case .norm = TensorKind(tensor.name) { tensor.shape.rank == 1 } else { false }
        }
        for tensor in norms.sorted(by: { $0.name < $1.name }) {
            hash.update(Array(tensor.name.rawValue.utf8) + [0])
            for number in try FloatVectors.floats(of: source, tensor, rows: 0..<tensor.shape.rows) {
                hash.update(littleEndian: number.bitPattern)
            }
        }
        return hash.digest.description
    }

    /// Throws `merge.other-base` if the delta was made from another base, as far as its `config.json` says. Most deltas
    /// do not say.
    static func check(_ base: Checkpoint, of delta: Checkpoint) throws {
        guard let expected = delta.config?[key]?.string else { return }
        // A base in another precision is the same after the cast that comes before the addition.
        let cast = try of(MergeOperand(base, role: "base"))
        if try cast == expected || of(base.weights) == expected { return }
        throw PVITError(
            .mergeOtherBase, "the delta was made from another base: the norm weights differ",
            file: base.path,
            remedy:
                "give the base that the delta was made from, in the same precision; removing \(key) from the delta's "
                + "config.json allows adding it to this one")
    }

    /// The files with the fingerprint in `config.json`, or without it if nil. Unchanged if there is no `config.json`.
    static func setting(_ fingerprint: String?, in files: SideFiles) throws -> SideFiles {
        guard var config = try files.object(SideFiles.config), config[key] != nil || fingerprint != nil else {
            return files
        }
        config[key] = fingerprint.map { .string($0) }
        var files = files
        files[SideFiles.config] = JSONValue.object(config).encoded(indentation: 2) + [UInt8(ascii: "\n")]
        return files
    }
}
