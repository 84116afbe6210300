import Architectures
import Checkpoints
import Storage
import SystemPackage
import Tensors

/// Distinguishes models from deltas by their weights.
///
/// The weights of an RMSNorm scale the normalised activations: in a trained model their mean over all norms is a few
/// tenths or more. In a delta they are differences of two such numbers, with a mean of a few thousandths. Names are
/// weak evidence, because a merged model inherits them from its delta; they only raise the threshold.
enum DeltaRecognition {
    /// Means below this belong to a delta.
    private static let normThreshold = 0.05
    /// Means below this belong to a delta if names say that it is one.
    private static let namedNormThreshold = 0.15
    /// The largest root mean square of a delta's matrices, relative to the base's.
    private static let matrixRatio = 0.8

    /// Throws `model.is-delta` when a checkpoint that should be a model is a delta.
    ///
    /// - Parameter role: The role of the checkpoint, for the message: `base`, `source`, `target`.
    static func requireModel(_ checkpoint: Checkpoint, role: String) throws {
        guard let mean = try normMean(checkpoint.weights) else { return }
        let hint = nameHint(of: checkpoint)
        guard mean.magnitude < (hint == nil ? normThreshold : namedNormThreshold) else { return }
        let names = hint.map { ", and \($0)" } ?? ""
        throw PVITError(
            .modelIsDelta,
            "the \(role) is a delta, not a model: the mean of its norm weights is "
                + "\(mean.formatted(decimals: 4))\(names)",
            file: checkpoint.path,
            remedy: role == "source"
                ? "add it to its base: give the base as the source and this as --delta, or merge the two first"
                : "give the model that the delta belongs to")
    }

    /// Throws `delta.is-model` when a checkpoint that should be a delta is a model: both its norms and its matrices are
    /// as large as a model's.
    static func requireDelta(_ delta: Checkpoint, of base: Checkpoint) throws {
        guard let mean = try normMean(delta.weights), mean.magnitude >= normThreshold,
            let ratio = try matrixSizeRatio(of: delta.weights, to: base.weights), ratio > matrixRatio
        else { return }
        throw PVITError(
            .deltaIsModel,
            "this is a model, not a delta: the mean of its norm weights is \(mean.formatted(decimals: 4)), and its "
                + "matrices are \(ratio.formatted(decimals: 2)) times as large as the base's",
            file: delta.path, remedy: "give the delta; a complete model does not need to be merged")
    }

    /// Throws `merge.no-model` when a sum of base and delta does not look like a model.
    static func requireModel(sum: any TensorSource) throws {
        guard let mean = try normMean(sum), !(mean.magnitude >= normThreshold) else { return }
        throw PVITError(
            .mergeNoModel,
            "the sum of base and delta does not look like a model: the mean of its norm weights is "
                + mean.formatted(decimals: 4),
            remedy: "check that base and delta belong together")
    }

    /// The mean of all norm weights, or nil when there are none.
    private static func normMean(_ source: any TensorSource) throws -> Double? {
        var sum = 0.0
        var count = 0
        for tensor in source.tensors {
            guard case .norm = TensorKind(tensor.name), tensor.shape.rank == 1, isFloat(tensor) else { continue }
            for number in try FloatVectors.floats(of: source, tensor, rows: 0..<tensor.shape.rows) {
                sum += Double(number)
            }
            count += tensor.shape.elementCount
        }
        return count > 0 ? sum / Double(count) : nil
    }

    /// The root mean square of some rows of `source` over that of the same rows of `base`; nil without common rows.
    private static func matrixSizeRatio(of source: any TensorSource, to base: any TensorSource) throws -> Double? {
        let ofBase = Dictionary(base.tensors.map { ($0.name, $0) }) { first, _ in first }
        let matrices = source.tensors.filter { tensor in
            guard case .linear = TensorKind(tensor.name) else { return false }
            guard let baseTensor = ofBase[tensor.name], isFloat(tensor), isFloat(baseTensor) else { return false }
            return tensor.shape.rank == 2 && baseTensor.shape == tensor.shape
        }
        var squares = (source: 0.0, base: 0.0)
        for sample in 0..<min(8, matrices.count) {
            let tensor = matrices[sample * matrices.count / min(8, matrices.count)]
            guard let baseTensor = ofBase[tensor.name] else { continue }
            let rows = 0..<min(16, tensor.shape.rows)
            for number in try FloatVectors.floats(of: source, tensor, rows: rows) {
                squares.source += Double(number * number)
            }
            for number in try FloatVectors.floats(of: base, baseTensor, rows: rows) {
                squares.base += Double(number * number)
            }
        }
        guard squares.base > 0 else { return nil }
        return (squares.source / squares.base).squareRoot()
    }

    private static func isFloat(_ tensor: TensorDescription) -> Bool {
        [.f16, .bf16, .f32].contains(tensor.elementType)
    }

    /// The evidence in the names around a checkpoint that it is a delta, or nil.
    private static func nameHint(of checkpoint: Checkpoint) -> String? {
        let folder = checkpoint.path.lexicallyNormalized().lastComponent?.string ?? ""
        if folder.lowercased().contains(bytesOf: "delta") { return "its name says that it is a delta" }
        if let name = checkpoint.config?["_name_or_path"]?.string, name.lowercased().contains(bytesOf: "delta") {
            return "its config.json calls it a delta"
        }
        return nil
    }
}
