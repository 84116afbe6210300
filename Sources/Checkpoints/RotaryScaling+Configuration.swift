import Architectures
import Storage

extension RotaryParameters.Scaling {
    /// `rope_scaling` of config.json; nil for no scaling.
    var configuration: JSONObject? {
        switch self {
        case .none: nil
        case .linear(let factor): ["type": "linear", "rope_type": "linear", "factor": .number(factor)]
        case .llama3(let factor, let lowFactor, let highFactor, let originalPositions):
            [
                "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(lowFactor),
                "high_freq_factor": .number(highFactor),
                "original_max_position_embeddings": Int(exactly: originalPositions).map { .integer($0) }
                    ?? .number(originalPositions),
            ]
        }
    }
}
