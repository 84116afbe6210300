import Compute
import Container
import Storage
import Tensors

/// The weights of RegionCLIP's image encoder, CLIP's modified ResNet, under the names of its checkpoint after
/// `region_encoder.`.
///
/// Frozen batch norms (arXiv 1502.03167) become a scale and a shift of the convolution before them.
struct RegionEncoderWeights: Sendable {
    /// A convolution and its norm: `y = scale * conv(x) + shift`.
    struct Convolution: Sendable {
        let kernels: WeightMatrix  // [outputs, inputs, side, side]
        let side: Int
        let scale: Matrix  // [1, outputs]
        let shift: Matrix  // [1, outputs]
    }

    /// A residual block: 1 × 1, 3 × 3, pooling when the stage begins with it, 1 × 1.
    struct Bottleneck: Sendable {
        let reduce: Convolution
        let spatial: Convolution
        let pools: Bool
        let expand: Convolution
        /// Makes the input addable to the output; nil when it is as it is.
        let shortcut: Convolution?
    }

    struct Linear: Sendable {
        let weight: WeightMatrix
        let bias: Matrix
    }

    struct AttentionPool: Sendable {
        let positions: Matrix  // [1 + grid * grid, embedding]
        let query: Linear  // [embedding, embedding]
        let key: WeightMatrix  // [embedding, embedding]; a bias has no effect on attention
        let value: Linear
        let output: Linear  // [features, embedding]
    }

    /// Channels after the stem: 80 for RN50x4.
    let width: Int
    let stem: [Convolution]
    /// Layers 1 to 3, then layer 4, which regions go through.
    let stages: [[Bottleneck]]
    let pool: AttentionPool
    /// The side of what layer 4 gives: 9.
    let gridSize: Int

    private static let root = "region_encoder.backbone"
    private static let normEpsilon: Float = 1e-5

    /// - Throws: `tensor.not-found` and `tensor.mismatch` naming the tensor that does not suit the others.
    init(in container: Container) throws {
        let half = try Self.shape(of: "conv1.weight", rank: 4, in: container)[0]
        let width = half * 2
        self.width = width
        stem = [
            try Self.convolution("conv1", "bn1", half, 3, side: 3, in: container),
            try Self.convolution("conv2", "bn2", half, half, side: 3, in: container),
            try Self.convolution("conv3", "bn3", width, half, side: 3, in: container),
        ]
        var inputs = width
        stages = try (0..<4).map { stage in
            let planes = width << stage
            return try Self.blockCount(ofStage: stage + 1, in: container).map { block in
                let name = "layer\(stage + 1).\(block)"
                defer { inputs = planes * 4 }
                return Bottleneck(
                    reduce: try Self.convolution(
                        "\(name).conv1", "\(name).bn1", planes, inputs, side: 1, in: container),
                    spatial: try Self.convolution(
                        "\(name).conv2", "\(name).bn2", planes, planes, side: 3, in: container),
                    pools: stage > 0 && block == 0,
                    expand: try Self.convolution(
                        "\(name).conv3", "\(name).bn3", planes * 4, planes, side: 1, in: container),
                    shortcut: block > 0
                        ? nil
                        : try Self.convolution(
                            "\(name).downsample.0", "\(name).downsample.1", planes * 4, inputs, side: 1, in: container))
            }
        }
        pool = try Self.attentionPool(embedding: width * 32, in: container)
        gridSize = Int(Double(pool.positions.rows - 1).squareRoot())
        guard gridSize > 0, gridSize * gridSize + 1 == pool.positions.rows else {
            throw PVITError(
                .tensorMismatch, "\(pool.positions.rows) positions are no square and a mean",
                tensor: TensorName("\(Self.root).attnpool.positional_embedding"))
        }
    }

    private static func shape(of name: String, rank: Int, in container: Container) throws -> [Int] {
        let name = TensorName("\(root).\(name)")
        guard let tensor = try container.tensor(named: name) else {
            throw PVITError(
                .tensorNotFound, "the model lacks a tensor", tensor: name,
                remedy: "quantize it again with --region-encoder")
        }
        let shape = tensor.shape.dimensions
        guard shape.count == rank, shape.allSatisfy({ 1...1_048_576 ~= $0 }) else {
            throw PVITError(.tensorMismatch, "the shape \(tensor.shape) is not of \(rank) extents", tensor: name)
        }
        return shape
    }

    /// The blocks of a stage: as many as the container has.
    private static func blockCount(ofStage stage: Int, in container: Container) throws -> Range<Int> {
        var count = 1
        while count < 1000,
            try container.tensor(named: TensorName("\(root).layer\(stage).\(count).conv1.weight")) != nil
        {
            count += 1
        }
        return 0..<count
    }

    private static func convolution(
        _ name: String, _ norm: String, _ outputs: Int, _ inputs: Int, side: Int, in container: Container
    ) throws -> Convolution {
        func vector(_ member: String) throws -> Matrix {
            try container.vector(TensorName("\(root).\(norm).\(member)"), count: outputs)
        }
        let kernels = try WeightMatrix(
            TensorName("\(root).\(name).weight"), shape: [outputs, inputs, side, side], in: container)
        let (scale, shift) = (try vector("weight"), try vector("bias"))
        let (mean, variance) = (try vector("running_mean"), try vector("running_var"))
        for index in 0..<outputs {
            scale.start[index] /= (variance.start[index] + normEpsilon).squareRoot()
            shift.start[index] -= mean.start[index] * scale.start[index]
        }
        return Convolution(kernels: kernels, side: side, scale: scale, shift: shift)
    }

    private static func attentionPool(embedding: Int, in container: Container) throws -> AttentionPool {
        func matrix(_ name: String, _ outputs: Int) throws -> WeightMatrix {
            try WeightMatrix(
                TensorName("\(root).attnpool.\(name).weight"), shape: [outputs, embedding], in: container)
        }
        func linear(_ name: String, _ outputs: Int) throws -> Linear {
            Linear(
                weight: try matrix(name, outputs),
                bias: try container.vector(TensorName("\(root).attnpool.\(name).bias"), count: outputs))
        }
        let positions = try shape(of: "attnpool.positional_embedding", rank: 2, in: container)[0]
        let features = try shape(of: "attnpool.c_proj.weight", rank: 2, in: container)[0]
        return AttentionPool(
            positions: try WeightMatrix(
                TensorName("\(root).attnpool.positional_embedding"), shape: [positions, embedding], in: container
            ).decoded(),
            query: try linear("q_proj", embedding), key: try matrix("k_proj", embedding),
            value: try linear("v_proj", embedding), output: try linear("c_proj", features))
    }
}
