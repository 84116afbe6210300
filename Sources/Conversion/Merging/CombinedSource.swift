import Architectures
import Checkpoints
import Storage
import Tensors

/// The element-wise sum or difference of two sources, computed row by row when it is read.
///
/// The *extension* (a delta, or a fine-tuned target) determines names and shapes; the *base* is added to it or
/// subtracted from it. Both are cast to float16 first. Every operation is computed in f32 and rounded once to float16,
/// as PyTorch's `extension += base` does with two models that were loaded as float16.
struct CombinedSource: TensorSource {
    let tensors: [TensorDescription]
    private let base: MergeOperand
    private let extension_: MergeOperand
    private let operation: FloatVectors.Operation
    private let pairing: TensorPairing

    init(
        base: MergeOperand, extension extension_: MergeOperand, _ operation: FloatVectors.Operation,
        pairing: TensorPairing
    ) {
        self.base = base
        self.extension_ = extension_
        self.operation = operation
        self.pairing = pairing
        tensors = pairing.tensors
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard let baseTensor = pairing.baseTensors[tensor.name] else {
            return try extension_.readRows(rows, of: tensor, into: &destination)
        }
        let shared = rows.clamped(to: 0..<baseTensor.shape.rows)
        if !shared.isEmpty {
            var slice = destination._mutatingExtracting(first: shared.count * tensor.bytesPerRow)
            try combine(shared, of: tensor, with: baseTensor, into: &slice)
        }
        guard shared.count < rows.count else { return }
        var rest = destination._mutatingExtracting(last: (rows.count - shared.count) * tensor.bytesPerRow)
        try extension_.readRows(rows.lowerBound + shared.count..<rows.upperBound, of: tensor, into: &rest)
    }

    /// Computes rows that both sources have.
    private func combine(
        _ rows: Range<Int>, of tensor: TensorDescription, with baseTensor: TensorDescription,
        into destination: inout MutableRawSpan
    ) throws {
        var extensionScratch: [UInt8] = []
        var baseScratch: [UInt8] = []
        let isFinite = try extension_.withRows(rows, of: tensor, scratch: &extensionScratch) { extensionRows in
            try base.withRows(rows, of: baseTensor, scratch: &baseScratch) { baseRows in
                try FloatVectors.combine(
                    (extensionRows, tensor.elementType), operation, (baseRows, baseTensor.elementType),
                    into: &destination)
            }
        }
        if !isFinite, let index = FloatVectors.firstNotFinite(destination.bytes, tensor.elementType) {
            let row = rows.lowerBound + index / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .mergeNotFinite, "row \(row) of the result has a number that is infinite or not a number",
                tensor: tensor.name, remedy: "check that base and delta belong together")
        }
    }
}

/// Pairs the tensors of the base with those of the extension.
struct TensorPairing {
    /// The tensors of the result: those of the extension that are ever read.
    let tensors: [TensorDescription]
    /// The base's tensor for each tensor of the result that has one.
    let baseTensors: [TensorName: TensorDescription]
    /// Tensors that only the extension has.
    let passedThrough: [TensorName]
    /// Tensors of either side that are left out because they are never read.
    let ignored: [TensorName]
    /// The embeddings or output layer of the base, if the result is tied and only has the other one.
    let replacedByTying: TensorName?

    /// Pairs the tensors.
    ///
    /// - Parameters:
    ///   - role: The extension's name in messages: `delta` or `target`.
    ///   - baseIsTied: Whether the base uses its input embeddings as its output layer too.
    ///   - extensionIsTied: The same for the extension, and so for the result.
    /// - Throws: A `merge.*` error naming tensor and shapes for anything that does not match.
    init(
        base: any TensorSource, extension extension_: any TensorSource, role: String, baseIsTied: Bool,
        extensionIsTied: Bool
    ) throws {
        var ofBase: [TensorName: TensorDescription] = [:]
        var ignored: Set<TensorName> = []
        for tensor in base.tensors {
            if TensorKind(tensor.name) == .unread {
                ignored.insert(tensor.name)
            } else {
                ofBase[tensor.name] = tensor
            }
        }
        if baseIsTied, ofBase[TensorKind.outputName] == nil {
            ofBase[TensorKind.outputName] = ofBase[TensorKind.embeddingName]
        }
        var tensors: [TensorDescription] = []
        var pairs: [TensorName: TensorDescription] = [:]
        var passedThrough: [TensorName] = []
        for tensor in extension_.tensors {
            if TensorKind(tensor.name) == .unread {
                ignored.insert(tensor.name)
                continue
            }
            tensors.append(tensor)
            if let baseTensor = ofBase.removeValue(forKey: tensor.name) {
                try Self.checkPair(baseTensor, tensor, role: role)
                pairs[tensor.name] = baseTensor
            } else if TensorKind.isDecoderName(tensor.name) {
                throw PVITError(
                    .mergeUnexpected, "the \(role) has the tensor with shape \(tensor.shape), but the base lacks it",
                    tensor: tensor.name, remedy: "check that base and \(role) belong together")
            } else {
                passedThrough.append(tensor.name)
            }
        }
        // A tied model has its embeddings or its output layer, or both.
        var replaced: TensorName?
        if extensionIsTied {
            for (present, absent) in [
                (TensorKind.embeddingName, TensorKind.outputName), (TensorKind.outputName, TensorKind.embeddingName),
            ] where pairs[present] != nil && ofBase.removeValue(forKey: absent) != nil && !baseIsTied {
                replaced = absent
            }
        }
        replacedByTying = replaced
        let missing = ofBase.keys.sorted()
        if let first = missing.first, let tensor = ofBase[first] {
            let others = missing.count > 1 ? "; \(missing.count) tensors are missing" : ""
            throw PVITError(
                .mergeMissing, "the base has the tensor with shape \(tensor.shape), but the \(role) lacks it\(others)",
                tensor: first, remedy: "check that base and \(role) belong together")
        }
        self.tensors = tensors
        baseTensors = pairs
        self.passedThrough = passedThrough
        self.ignored = ignored.sorted()
    }

    /// The number of tokens: the rows of the embeddings, or of the output layer of a model without embeddings.
    var vocabularySize: Int? {
        [TensorKind.embeddingName, TensorKind.outputName].lazy.compactMap { name in
            tensors.first { $0.name == name && $0.shape.rank == 2 }?.shape.rows
        }.first
    }

    private static func checkPair(_ base: TensorDescription, _ other: TensorDescription, role: String) throws {
        for type in [base.elementType, other.elementType] where ![.f16, .bf16, .f32].contains(type) {
            throw PVITError(
                .mergeType, "elements of type \(type) cannot be added", tensor: other.name,
                remedy: "convert the checkpoint to F16, BF16 or F32")
        }
        guard base.shape != other.shape else { return }
        let kind = TensorKind(other.name)
        let grows = kind == .embedding || kind == .output
        let isPrefix =
            base.shape.rank == other.shape.rank
            && base.shape.dimensions.dropFirst() == other.shape.dimensions.dropFirst()
            && base.shape.rows <= other.shape.rows
        guard grows, isPrefix else {
            throw PVITError(
                .mergeShape, "the base has shape \(base.shape), the \(role) \(other.shape)", tensor: other.name,
                remedy: "check that base and \(role) have the same architecture and size")
        }
    }
}
