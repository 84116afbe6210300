import Tensors

/// The sizes of a decoder of the LLaMA family, as far as a probe needs them.
public struct ProbeArchitecture: Sendable, Hashable {
    /// The width of the residual stream.
    public var hidden: Int
    /// The width of the feed-forward network.
    public var inner: Int
    /// The number of layers.
    public var layers: Int
    /// The number of query heads.
    public var heads: Int
    /// The number of key and value heads, a divisor of `heads`.
    public var keyValueHeads: Int
    /// The width of a head, an even number.
    public var headWidth: Int
    /// The number of tokens that the embeddings know.
    public var vocabulary: Int
    /// The base of the rotary frequencies.
    public var ropeTheta: Double
    /// What RMSNorm adds to the mean square.
    public var normEpsilon: Float

    /// Creates sizes.
    public init(
        hidden: Int, inner: Int, layers: Int, heads: Int, keyValueHeads: Int, headWidth: Int, vocabulary: Int,
        ropeTheta: Double, normEpsilon: Float
    ) {
        self.hidden = hidden
        self.inner = inner
        self.layers = layers
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.vocabulary = vocabulary
        self.ropeTheta = ropeTheta
        self.normEpsilon = normEpsilon
    }

    /// Whether the sizes describe something that can be computed, within bounds that keep a probe small.
    public var isUsable: Bool {
        let width = 1...(1 << 20)
        return width.contains(hidden) && width.contains(inner) && width.contains(layers) && hidden % 16 == 0
            && inner % 16 == 0 && (1...1024).contains(heads) && keyValueHeads > 0 && heads % keyValueHeads == 0
            && (2...1024).contains(headWidth) && headWidth % 2 == 0 && heads * headWidth % 16 == 0 && vocabulary > 0
            && ropeTheta > 0 && ropeTheta.isFinite && normEpsilon >= 0
    }
}

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

extension ProbeArchitecture {
    /// The rows of each matrix of a stage, in the order of `ProbeStage.matrices`.
    func rows(of stage: ProbeStage) -> [Int] {
        switch stage {
        case .attentionInput: [heads * headWidth, keyValueHeads * headWidth, keyValueHeads * headWidth]
        case .attentionOutput, .feedForwardOutput: [hidden]
        case .feedForwardInput: [inner, inner]
        }
    }

    /// The columns of the matrices of a stage.
    func columns(of stage: ProbeStage) -> Int {
        switch stage {
        case .attentionInput, .feedForwardInput: hidden
        case .attentionOutput: heads * headWidth
        case .feedForwardOutput: inner
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
