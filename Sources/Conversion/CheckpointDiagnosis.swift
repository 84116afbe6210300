import Architectures
import Checkpoints
import Storage
import SystemPackage
import Tensors

/// Recognises checkpoints that are not models, and finds what is wrong with a model.
package enum CheckpointDiagnosis {
    /// Throws unless the tensors of a checkpoint are the weights of a model or delta.
    ///
    /// - Throws: `checkpoint.not-a-model` for adapters, optimizers, models of other libraries and the empty tensors
    ///   that DeepSpeed leaves; `checkpoint.quantized` for quantized weights.
    package static func requireWeights(_ checkpoint: Checkpoint) throws {
        let tensors = checkpoint.weights.tensors
        let path = checkpoint.path
        if AdapterCheckpoint.isOne(tensors) {
            throw AdapterCheckpoint.error(for: path, in: isFolder(path) ? path : path.parentFolder)
        }
        if let error = QuantizedCheckpoint.error(for: tensors, config: checkpoint.config, path: path) { throw error }
        if TrainerState.isOptimizer(tensors) {
            throw PVITError(
                .notAModel, "this is the state of an optimizer, not a model", file: path,
                remedy: "give the folder with the model's config.json and weights")
        }
        if let kind = checkpoint.config?["_class_name"]?.string, checkpoint.config?["model_type"] == nil {
            throw PVITError(
                .notAModel, "this is a \(kind) of the diffusers library, not a language model", file: path,
                remedy: "give the folder of a model of the LLaMA family")
        }
        let empty = tensors.filter { tensor in
            tensor.shape.elementCount == 0 && TensorKind.isDecoderName(tensor.name) && !tensor.name.isUnread
        }
        if let first = empty.first {
            throw PVITError(
                .notAModel,
                "\(empty.count) of \(tensors.count) tensors are empty: stubs that DeepSpeed's ZeRO-3 saves in place of "
                    + "weights", file: path, tensor: first.name,
                remedy: "run zero_to_fp32.py in the folder of the training run and give its output")
        }
    }

    /// Whether a checkpoint looks like a delta.
    ///
    /// - Throws: What reading the norm weights throws.
    package static func looksLikeDelta(_ checkpoint: Checkpoint) throws -> Bool {
        try finding { try DeltaRecognition.requireModel(checkpoint, role: "checkpoint") } != nil
    }

    /// The architecture of a checkpoint. Its configuration and tensors must be those of a complete decoder of the LLaMA
    /// family.
    ///
    /// - Throws: What `requireWeights` throws, `checkpoint.config`, `model.config`, `model.unsupported`,
    ///   `checkpoint.tensors`, naming the file or folder.
    static func decoder(_ checkpoint: Checkpoint) throws -> LlamaArchitecture {
        try requireWeights(checkpoint)
        guard let config = checkpoint.config else {
            throw PVITError(
                .checkpointConfig, "there is no config.json", file: checkpoint.path,
                remedy: "put the model's config.json beside its weights")
        }
        let architecture: LlamaArchitecture
        do {
            architecture = try LlamaArchitecture(config: config)
        } catch let error as PVITError {
            throw error.located(file: checkpoint.path(ofSideFile: SideFiles.config))
        }
        do {
            try architecture.check(checkpoint.weights.tensors)
            return architecture
        } catch let error as PVITError {
            var located = error.located(file: checkpoint.path)
            if error.code == .checkpointTensors, isShard(checkpoint) {
                located.remedy = "this is one shard of several: give the folder that it is in"
            }
            throw located
        }
    }

    /// Whether a checkpoint is one file whose name is that of one shard of several.
    private static func isShard(_ checkpoint: Checkpoint) -> Bool {
        checkpoint.sourceFiles.count == 1 && shardStem.matches(checkpoint.path.stem ?? "")
    }

    private static let shardStem = FileNamePattern(".*-[0-9]+-of-[0-9]+")

    /// Findings about a checkpoint, a sentence for each: it is not a model or looks like a delta, tensors are missing
    /// or unexpected, the configuration does not describe the output layer.
    ///
    /// - Throws: What reading the norm weights and the output layer throws.
    package static func findings(on checkpoint: Checkpoint) throws -> [String] {
        if Tower.isOne(checkpoint) { return try [finding { _ = try Tower.recognise(checkpoint) }].compactMap(\.self) }
        if let foreign = try finding({ try requireWeights(checkpoint) }) { return [foreign] }
        var findings: [String] = []
        if let finding = try finding({ try DeltaRecognition.requireModel(checkpoint, role: "checkpoint") }) {
            findings.append(finding)
        }
        let resolved = try checkpoint.resolvingOutputLayer()
        if checkpoint.isTied, !resolved.isTied {
            findings.append(
                "config.json says tie_word_embeddings, but \(TensorKind.outputName) differs from the embeddings: "
                    + "it is used")
        }
        if checkpoint.config != nil, let finding = try finding({ _ = try decoder(resolved) }) {
            findings.append(finding)
        }
        return findings
    }

    /// The finding of a check as a sentence, or nil. Rethrows errors of reading.
    private static func finding(_ check: () throws -> Void) throws -> String? {
        do {
            try check()
            return nil
        } catch let error as PVITError {
            switch error.code {
            case .modelIsDelta, .checkpointConfig, .modelConfig, .modelUnsupported, .checkpointTensors, .towerConfig,
                .towerTensors:
                return error.what
            case .notAModel, .quantizedCheckpoint:
                return error.what + (error.remedy.map { ": \($0)" } ?? "")
            default: throw error
            }
        }
    }
}
