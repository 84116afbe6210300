import Architectures
import Tensors

/// The matrices of a layer that read the same activations, in the order of a forward pass.
enum ProbeStage: Int, CaseIterable {
    case attentionInput, attentionOutput, feedForwardInput, feedForwardOutput

    /// The names of the matrices below `model.layers.N.` without `.weight`.
    var matrices: [String] {
        switch self {
        case .attentionInput: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
        case .attentionOutput: ["self_attn.o_proj"]
        case .feedForwardInput: ["mlp.gate_proj", "mlp.up_proj"]
        case .feedForwardOutput: ["mlp.down_proj"]
        }
    }
}

extension LlamaConfiguration {
    /// Whether the kernels that a probe uses can compute a model of these sizes, within bounds that keep a probe small.
    package var canBeProbed: Bool {
        hiddenSize % 16 == 0 && intermediateSize % 16 == 0 && headCount * headWidth % 16 == 0
    }

    /// The rows of each matrix of a stage, in the order of `ProbeStage.matrices`.
    func rows(of stage: ProbeStage) -> [Int] {
        switch stage {
        case .attentionInput: [headCount * headWidth, keyValueHeadCount * headWidth, keyValueHeadCount * headWidth]
        case .attentionOutput, .feedForwardOutput: [hiddenSize]
        case .feedForwardInput: [intermediateSize, intermediateSize]
        }
    }

    /// The columns of the matrices of a stage.
    func columns(of stage: ProbeStage) -> Int {
        switch stage {
        case .attentionInput, .feedForwardInput: hiddenSize
        case .attentionOutput: headCount * headWidth
        case .feedForwardOutput: intermediateSize
        }
    }
}

/// Where in a forward pass a matrix is used.
struct ProbePlace: Hashable {
    let layer: Int
    let stage: ProbeStage
    /// Which of the stage's matrices it is.
    let matrix: Int

    /// The place of `model.layers.N.PART.weight`, or nil for tensors of other names.
    init?(_ name: TensorName) {
        let prefix = "model.layers."
        let suffix = ".weight"
        guard name.rawValue.hasPrefix(prefix), name.rawValue.hasSuffix(suffix) else { return nil }
        let rest = name.rawValue.dropFirst(prefix.count).dropLast(suffix.count)
        guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0 else { return nil }
        let part = String(rest[rest.index(after: dot)...])
        for stage in ProbeStage.allCases {
            if let matrix = stage.matrices.firstIndex(of: part) {
                self.layer = layer
                self.stage = stage
                self.matrix = matrix
                return
            }
        }
        return nil
    }

    /// The number of the stage in the whole pass.
    var step: Int { layer * ProbeStage.allCases.count + stage.rawValue }
}
