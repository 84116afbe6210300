import Architectures
import Checkpoints
import Tensors

/// What is remarkable about a checkpoint, for people.
public enum CheckpointDiagnosis {
    /// Sentences on a checkpoint: that it looks like a delta, that tensors are missing or unexpected.
    ///
    /// - Throws: What reading the norm weights throws.
    public static func findings(on checkpoint: Checkpoint) throws -> [String] {
        if Tower.isOne(checkpoint) { return try [finding { _ = try Tower.recognise(checkpoint) }].compactMap(\.self) }
        var findings: [String] = []
        if let finding = try finding({ try DeltaRecognition.requireModel(checkpoint, role: "checkpoint") }) {
            findings.append(finding)
        }
        if let config = checkpoint.config,
            let finding = try finding({ try LlamaArchitecture(config: config).check(checkpoint.weights.tensors) })
        {
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
