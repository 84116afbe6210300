import Architectures
import Compute
import Container
import Storage
import Tensors

/// The weights of RegionCLIP's image encoder in a container, by the names and shapes of `RegionCLIPArchitecture`.
///
/// Frozen batch norms (arXiv 1502.03167) become a scale and a shift of the convolution before them.
struct RegionEncoderWeights: Sendable {
    /// A convolution and its norm: `y = scale * conv(x) + shift`.
    struct Convolution: Sendable {
        let kernels: WeightMatrix  // [outputs, inputs, side, side], or [outputs, side, side, inputs] in q8
        let side: Int
        let scale: Matrix  // [1, outputs]
        let shift: Matrix  // [1, outputs]
    }

    /// A residual block: 1 × 1, 3 × 3, pooling in the first block of a stage, 1 × 1.
    struct Bottleneck: Sendable {
        let reduce: Convolution
        let spatial: Convolution
        let pools: Bool
        let expand: Convolution
        /// 1 × 1 from the input to the sum; nil if the input is added as it is.
        let shortcut: Convolution?
    }

    struct AttentionPool: Sendable {
        let positions: Matrix  // [1 + grid * grid, embedding]
        let query: TowerLinear  // [embedding, embedding]
        let key: WeightMatrix  // [embedding, embedding]; a bias has no effect on attention
        let value: TowerLinear
        let output: TowerLinear  // [features, embedding]
    }

    /// The number of channels after the stem; 80 in RN50x4.
    let width: Int
    let stem: [Convolution]
    /// Layers 1 to 3, which get the image, and layer 4, which gets crops of their map.
    let stages: [[Bottleneck]]
    let pool: AttentionPool
    /// The side of layer 4's output; 9 in RN50x4.
    let gridSize: Int

    private static let normEpsilon: Float = 1e-5

    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(in container: Container) throws {
        let architecture = try Self.architecture(in: container)
        width = architecture.width
        gridSize = architecture.gridSize
        func convolution(_ layer: RegionCLIPArchitecture.Convolution) throws -> Convolution {
            let kernels = try container.kernels(layer.kernels)
            let (scale, shift) = (try container.vector(layer.norm.weight), try container.vector(layer.norm.bias))
            let (mean, variance) = (try container.vector(layer.mean), try container.vector(layer.variance))
            for index in 0..<layer.outputs {
                scale.start[index] /= (variance.start[index] + Self.normEpsilon).squareRoot()
                shift.start[index] -= mean.start[index] * scale.start[index]
            }
            return Convolution(kernels: kernels, side: layer.side, scale: scale, shift: shift)
        }
        stem = try architecture.stem.map(convolution)
        stages = try architecture.stages.enumerated().map { stage, blocks in
            try blocks.enumerated().map { number, block in
                Bottleneck(
                    reduce: try convolution(block.reduce), spatial: try convolution(block.spatial),
                    pools: stage > 0 && number == 0, expand: try convolution(block.expand),
                    shortcut: try block.shortcut.map(convolution))
            }
        }
        pool = AttentionPool(
            positions: try container.weights(architecture.pool.positions).decoded(),
            query: try TowerLinear(architecture.pool.query, in: container),
            key: try container.weights(architecture.pool.key.weight),
            value: try TowerLinear(architecture.pool.value, in: container),
            output: try TowerLinear(architecture.pool.output, in: container))
    }

    static func architecture(in container: Container) throws -> RegionCLIPArchitecture {
        do {
            return try RegionCLIPArchitecture(prefix: RegionCLIPArchitecture.kind.prefix) {
                try container.tensor(named: $0)?.shape.dimensions
            }
        } catch var error as PVITError where error.code == .tensorNotFound {
            error.remedy = "quantize it again with --region-encoder"
            throw error
        }
    }
}
