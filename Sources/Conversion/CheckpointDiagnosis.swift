import Architectures
import Checkpoints
import Tensors

/// What is remarkable about a checkpoint, for people.
public enum CheckpointDiagnosis {
    /// The architecture of a checkpoint that is a whole decoder of the LLaMA family, by its configuration and tensors.
    ///
    /// - Throws: `checkpoint.config`, `model.config` and `model.unsupported` naming the file of the configuration,
    ///   `checkpoint.tensors`.
    static func decoder(_ checkpoint: Checkpoint) throws -> LlamaArchitecture {
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
            throw error.located(file: checkpoint.path)
        }
    }

    /// Sentences on a checkpoint: that it looks like a delta, that tensors are missing or unexpected.
    ///
    /// - Throws: What reading the norm weights throws.
    public static func findings(on checkpoint: Checkpoint) throws -> [String] {
        if Tower.isOne(checkpoint) { return try [finding { _ = try Tower.recognise(checkpoint) }].compactMap(\.self) }
        var findings: [String] = []
        if let finding = try finding({ try DeltaRecognition.requireModel(checkpoint, role: "checkpoint") }) {
            findings.append(finding)
        }
        if checkpoint.config != nil, let finding = try finding({ _ = try decoder(checkpoint) }) {
            findings.append(finding)
        }
        return findings
    }

    /// What a check complains of, as a sentence; errors of reading are errors here too.
    private static func finding(_ check: () throws -> Void) throws -> String? {
        do {
            try check()
            return nil
        } catch let error as PVITError {
            switch error.code {
            case .modelIsDelta, .checkpointConfig, .modelConfig, .modelUnsupported, .checkpointTensors, .towerConfig,
                .towerTensors:
                return error.what
            default: throw error
            }
        }
    }
}
