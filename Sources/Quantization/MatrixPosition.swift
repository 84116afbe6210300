import Architectures
import Tensors

/// The groups of matrices of a layer that read the same activations, in the order of a forward pass.
enum LayerStage: Int, CaseIterable {
    case attentionInput, attentionOutput, feedForwardInput, feedForwardOutput

    /// Whether the outputs of the stage's matrix are added to the residual stream.
    var isAddedToResiduals: Bool { self == .attentionOutput || self == .feedForwardOutput }

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
    /// Whether importance can be measured in a model of these sizes: the kernels need multiples of 16.
    package var canMeasureImportance: Bool {
        hiddenSize % 16 == 0 && intermediateSize % 16 == 0 && headCount * headWidth % 16 == 0
    }

    /// The rows of each matrix of a stage, in the order of `LayerStage.matrices`.
    func rows(of stage: LayerStage) -> [Int] {
        switch stage {
        case .attentionInput: [headCount * headWidth, keyValueHeadCount * headWidth, keyValueHeadCount * headWidth]
        case .attentionOutput, .feedForwardOutput: [hiddenSize]
        case .feedForwardInput: [intermediateSize, intermediateSize]
        }
    }

    /// The columns of the matrices of a stage.
    func columns(of stage: LayerStage) -> Int {
        switch stage {
        case .attentionInput, .feedForwardInput: hiddenSize
        case .attentionOutput: headCount * headWidth
        case .feedForwardOutput: intermediateSize
        }
    }
}

/// The position of a matrix in a forward pass.
struct MatrixPosition: Hashable {
    let layer: Int
    let stage: LayerStage
    /// The index among the stage's matrices.
    let matrix: Int

    /// The position of `model.layers.N.PROJECTION.weight`, or nil for tensors of other names.
    init?(_ name: TensorName) {
        guard let (layer, tensor) = LlamaLayerTensor.parse(name) else { return nil }
        for stage in LayerStage.allCases {
            if let matrix = stage.matrices.firstIndex(of: tensor.rawValue) {
                self.layer = layer
                self.stage = stage
                self.matrix = matrix
                return
            }
        }
        return nil
    }

    /// The index of the stage in the whole pass.
    var step: Int { layer * LayerStage.allCases.count + stage.rawValue }
}
