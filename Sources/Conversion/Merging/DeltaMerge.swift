import Checkpoints
import SystemPackage
import Tensors

/// A model that was published as its difference from another one.
public enum DeltaMerge {
    /// A checkpoint computed from two others, and what went into it.
    public struct Result: Sendable {
        /// The sum or the difference; its tensors are computed when they are read.
        public let checkpoint: Checkpoint
        /// Tensors that only the delta or target has; they are passed through.
        public let passedThrough: [TensorName]
        /// Tensors of either side that are left out because nobody reads them: tables of rotary frequencies.
        public let ignored: [TensorName]
        /// Tensors with more rows than in the base, with the number of rows in the base; the other rows are passed through.
        public let extended: [(tensor: TensorDescription, baseRows: Int)]
        /// Tensors whose element type differs between the two; the delta's or target's is kept.
        public let converted: [TensorName]
    }

    /// The sum of a base and a delta.
    ///
    /// Each number is added in f32 and rounded once to the delta's type, so f16 + f16 is exactly PyTorch's f16 addition.
    /// `model.embed_tokens.weight` and `lm_head.weight` may have more rows in the delta: the base is added to the first
    /// ones. Configuration and tokenizer are the delta's, or the base's where the delta has none.
    ///
    /// - Throws: A `merge.*` error for tensors that do not match or a delta that names another base, `model.is-delta` and `delta.is-model` for arguments in the
    ///   wrong places, and `merge.no-model` when the sum does not look like a model.
    public static func merge(base: Checkpoint, delta: Checkpoint) throws -> Result {
        try DeltaRecognition.requireModel(base, role: "base")
        try DeltaRecognition.requireDelta(delta, of: base)
        try BaseFingerprint.check(base, of: delta)
        let result = try combine(base, delta, .add, role: "delta", fingerprint: nil)
        try DeltaRecognition.requireModel(sum: result.checkpoint.weights)
        return result
    }

    /// The delta that leads from a base to a fine-tuned target: target - base, the inverse of `merge`. Its `config.json` says
    /// which base it belongs to.
    ///
    /// Where a difference needs more bits than its type has, adding it back gives a number next to the target's: in f16,
    /// about one in a hundred, off by the last bit. That rounding is part of the published practice.
    ///
    /// - Throws: As `merge`.
    public static func difference(base: Checkpoint, target: Checkpoint) throws -> Result {
        try DeltaRecognition.requireModel(base, role: "base")
        try DeltaRecognition.requireModel(target, role: "target")
        return try combine(
            base, target, .subtract, role: "target", fingerprint: BaseFingerprint.of(base.weights))
    }

    private static func combine(
        _ base: Checkpoint, _ other: Checkpoint, _ operation: FloatVectors.Operation, role: String,
        fingerprint: String?
    ) throws -> Result {
        let pairing: TensorPairing
        do {
            pairing = try TensorPairing(
                base: base.weights, extension: other.weights, role: role, baseIsTied: base.isTied,
                extensionIsTied: other.isTied)
        } catch let error as PVITError {
            throw error.located(file: other.path)
        }
        let weights = CombinedSource(base: base.weights, extension: other.weights, operation, pairing: pairing)
        let checkpoint = try Checkpoint(
            path: other.path, format: operation == .add ? "base + delta" : "target - base", weights: weights,
            sideFiles: BaseFingerprint.setting(
                fingerprint, in: sideFiles(base: base.sideFiles, other: other.sideFiles)),
            sourceFiles: base.sourceFiles.map { $0.with(role: "base") } + other.sourceFiles.map { $0.with(role: role) })
        return Result(
            checkpoint: checkpoint, passedThrough: pairing.passedThrough, ignored: pairing.ignored,
            extended: pairing.tensors.compactMap { tensor in
                guard let baseTensor = pairing.baseTensors[tensor.name], baseTensor.shape != tensor.shape
                else { return nil }
                return (tensor, baseTensor.shape.rows)
            },
            converted: pairing.tensors.filter { tensor in
                pairing.baseTensors[tensor.name].map { $0.elementType != tensor.elementType } ?? false
            }.map(\.name))
    }

    /// The delta's files, with the base's where it has none. A tokenizer is taken whole, never pieced together from two.
    private static func sideFiles(base: SideFiles, other: SideFiles) throws -> SideFiles {
        var result = other
        for name in [SideFiles.config, SideFiles.generationConfig] where result[name] == nil {
            result[name] = base[name]
        }
        guard other[SideFiles.tokenizerJSON] == nil, other[SideFiles.sentencePieceModel] == nil else { return result }
        // The base's template may be in a file that would come before the delta's own.
        let hasTemplate = try other.chatTemplate() != nil
        for name in SideFiles.tokenizerNames where result[name] == nil {
            if !(hasTemplate && SideFiles.chatTemplateNames.contains(name)) { result[name] = base[name] }
        }
        if other[SideFiles.addedTokens] != nil, result[SideFiles.sentencePieceModel] != nil {
            // The base's tokenizer.json does not know the tokens that the delta adds.
            result[SideFiles.tokenizerJSON] = nil
        }
        return result
    }
}

extension Checkpoint.SourceFile {
    /// The same file in another part.
    fileprivate func with(role: String) -> Self { Self(path: path, byteCount: byteCount, role: role) }
}

extension Checkpoint {
    /// Whether the model uses its input embeddings as its output layer too.
    var isTied: Bool { config?["tie_word_embeddings"]?.bool ?? false }
}
