import Checkpoints
import Storage
import SystemPackage
import Tensors

/// Merges models that were published as deltas, and makes deltas.
package enum DeltaMerge {
    /// A checkpoint computed from two others, and how they were combined.
    package struct Result: Sendable {
        /// The sum or the difference; its tensors are computed when they are read.
        package let checkpoint: Checkpoint
        /// Tensors that only the delta or target has; they are passed through.
        package let passedThrough: [TensorName]
        /// Tensors of either side that are left out because they are never read, such as tables of rotary frequencies.
        package let ignored: [TensorName]
        /// Tensors with more rows than in the base, and the number of rows in the base. The other rows are passed
        /// through.
        package let extended: [(tensor: TensorDescription, baseRows: Int)]
        /// Tensors of the base, and of the delta or target, that are cast to float16.
        package let cast: (base: [TensorName], other: [TensorName])
        /// The embeddings or output layer of the base, if the result is tied and uses the other one for both.
        package let replacedByTying: TensorName?
        /// The wrong `vocab_size` of `config.json` that was corrected to the number of rows of the embeddings.
        package let outdatedVocabularySize: Int?
    }

    /// The sum of a base and a delta.
    ///
    /// Both are cast to float16 and the sums are rounded to float16, whatever the types, as in PVIT's own script.
    /// `model.embed_tokens.weight` and `lm_head.weight` may have more rows in the delta: the base is added to the first
    /// ones. Configuration and tokenizer are the delta's, or the base's if the delta has none. If the delta's
    /// configuration ties the output layer to the embeddings, so does the sum, unless it has both and they differ
    /// (`resolvingOutputLayer`).
    ///
    /// A packed delta is not added: it gives the fine-tuned model that it was made from, bit for bit.
    ///
    /// - Throws: A `merge.*` error for tensors that do not match or a delta that names another base; `model.is-delta`
    ///   and `delta.is-model` for swapped arguments; what `CheckpointDiagnosis.requireWeights` throws; and
    ///   `merge.no-model` when the sum does not look like a model.
    package static func merge(base: Checkpoint, delta: Checkpoint) throws -> Result {
        try CheckpointDiagnosis.requireWeights(base)
        try CheckpointDiagnosis.requireWeights(delta)
        try DeltaRecognition.requireModel(base, role: "base")
        if let packed = (delta.weights as? UnmergedDelta)?.delta { return try Result(packed.merged(with: base)) }
        try DeltaRecognition.requireDelta(delta, of: base)
        try BaseFingerprint.check(base, of: delta)
        let result = try combine(base.resolvingOutputLayer(), delta, .add, role: "delta", fingerprint: nil)
        try DeltaRecognition.requireModel(sum: result.checkpoint.weights)
        return result
    }

    /// The delta that leads from a base to a fine-tuned target: target - base, the inverse of `merge`. Its
    /// `config.json` says which base it belongs to.
    ///
    /// Base and target are cast to float16, in which the delta will be added. If a difference needs more bits than
    /// float16 has, adding it back gives a neighbour of the target's number; about one number in a hundred is off by
    /// the last bit. Published deltas have that rounding, too.
    ///
    /// - Throws: As `merge`.
    package static func difference(base: Checkpoint, target: Checkpoint) throws -> Result {
        try CheckpointDiagnosis.requireWeights(base)
        try CheckpointDiagnosis.requireWeights(target)
        try DeltaRecognition.requireModel(base, role: "base")
        try DeltaRecognition.requireModel(target, role: "target")
        return try combine(
            base.resolvingOutputLayer(), target.resolvingOutputLayer(), .subtract, role: "target",
            fingerprint: BaseFingerprint.of(MergeOperand(base, role: "base")))
    }

    private static func combine(
        _ base: Checkpoint, _ other: Checkpoint, _ operation: FloatVectors.Operation, role: String,
        fingerprint: String?
    ) throws -> Result {
        var files = try sideFiles(base: base.sideFiles, other: other.sideFiles)
        var config = try files.object(SideFiles.config)
        let operands = (base: try MergeOperand(base, role: "base"), other: try MergeOperand(other, role: role))
        let pairing: TensorPairing
        do {
            pairing = try TensorPairing(
                base: operands.base, extension: operands.other, role: role, baseIsTied: base.isTied,
                extensionIsTied: config?["tie_word_embeddings"]?.bool ?? false)
        } catch let error as PVITError {
            throw error.located(file: other.path)
        }
        let statedVocabularySize = config?["vocab_size"]?.integer
        let before = config
        config?.correctElementType(MergeOperand.elementType)
        if let rows = pairing.vocabularySize, statedVocabularySize != nil { config?["vocab_size"] = .integer(rows) }
        if let config, config != before { files.setConfig(config) }
        let checkpoint = try Checkpoint(
            path: other.path, format: operation == .add ? "base + delta" : "target - base",
            weights: CombinedSource(base: operands.base, extension: operands.other, operation, pairing: pairing),
            sideFiles: BaseFingerprint.setting(fingerprint, in: files),
            sourceFiles: base.sourceFiles.map { $0.with(role: "base") } + other.sourceFiles.map { $0.with(role: role) })
        return Result(
            checkpoint: operation == .add ? try checkpoint.resolvingOutputLayer() : checkpoint,
            passedThrough: pairing.passedThrough, ignored: pairing.ignored,
            extended: pairing.tensors.compactMap { tensor in
                guard let baseTensor = pairing.baseTensors[tensor.name], baseTensor.shape != tensor.shape
                else { return nil }
                return (tensor, baseTensor.shape.rows)
            },
            cast: (
                base: pairing.baseTensors.values.map(\.name).filter(operands.base.cast.contains).sorted(),
                other: pairing.tensors.map(\.name).filter(operands.other.cast.contains)
            ),
            replacedByTying: pairing.replacedByTying,
            outdatedVocabularySize: statedVocabularySize == pairing.vocabularySize ? nil : statedVocabularySize)
    }

    /// The delta's files, or the base's if the delta has none. A tokenizer's files are all from one of the two.
    private static func sideFiles(base: SideFiles, other: SideFiles) throws -> SideFiles {
        var result = other
        for name in [SideFiles.config, SideFiles.generationConfig] where result[name] == nil {
            result[name] = base[name]
        }
        guard other[SideFiles.tokenizerJSON] == nil, other[SideFiles.sentencePieceModel] == nil else { return result }
        // The base's template may be in a file that has precedence over the delta's.
        let hasTemplate = try other.chatTemplate() != nil
        for name in SideFiles.tokenizerNames where result[name] == nil {
            if !(hasTemplate && SideFiles.chatTemplateNames.contains(name)) { result[name] = base[name] }
        }
        if other[SideFiles.addedTokens] != nil, result[SideFiles.sentencePieceModel] != nil {
            // The base's tokenizer.json lacks the tokens that the delta adds.
            result[SideFiles.tokenizerJSON] = nil
        }
        return result
    }
}

extension DeltaMerge.Result {
    /// A checkpoint that was not changed in any way.
    fileprivate init(_ checkpoint: Checkpoint) {
        self.init(
            checkpoint: checkpoint, passedThrough: [], ignored: [], extended: [], cast: ([], []), replacedByTying: nil,
            outdatedVocabularySize: nil)
    }
}
