import Storage
import Tensors

/// The tensors of RegionCLIP's image encoder, CLIP's modified ResNet (Radford et al., 2021, section 2.4).
///
/// RegionCLIP's checkpoints have no configuration: the sizes are those of some of the tensors.
package struct RegionCLIPArchitecture: TowerTensors, Sendable {
    /// A convolution and the batch norm after it.
    package struct Convolution: Sendable {
        /// `[outputs, inputs, side, side]`.
        package let kernels: ExpectedTensor
        /// Scale and shift of the batch norm: `[outputs]`.
        package let norm: WeightAndBias
        /// The batch norm's means: `[outputs]`.
        package let mean: ExpectedTensor
        /// The batch norm's variances: `[outputs]`.
        package let variance: ExpectedTensor

        /// The number of input channels.
        package var inputs: Int { kernels.shape[1] }
        /// The number of output channels.
        package var outputs: Int { kernels.shape[0] }
        /// The height and the width of a kernel.
        package var side: Int { kernels.shape[2] }

        init(_ name: String, norm normName: String, inputs: Int, outputs: Int, side: Int) {
            kernels = ExpectedTensor(name + ".weight", [outputs, inputs, side, side])
            norm = WeightAndBias(norm: normName, width: outputs)
            mean = ExpectedTensor(normName + ".running_mean", [outputs])
            variance = ExpectedTensor(normName + ".running_var", [outputs])
        }

        var tensors: [ExpectedTensor] { [kernels] + norm.tensors + [mean, variance] }
    }

    /// A residual block: 1 × 1, 3 × 3, 1 × 1.
    package struct Bottleneck: Sendable {
        /// 1 × 1, to a quarter of the output channels.
        package let reduce: Convolution
        /// 3 × 3.
        package let spatial: Convolution
        /// 1 × 1, to the output channels.
        package let expand: Convolution
        /// 1 × 1 from the input to the sum; nil if the input is added as it is.
        package let shortcut: Convolution?

        init(_ name: String, inputs: Int, planes: Int, isFirst: Bool) {
            func convolution(_ number: Int, _ inputs: Int, _ outputs: Int, side: Int) -> Convolution {
                Convolution(
                    "\(name).conv\(number)", norm: "\(name).bn\(number)", inputs: inputs, outputs: outputs, side: side)
            }
            reduce = convolution(1, inputs, planes, side: 1)
            spatial = convolution(2, planes, planes, side: 3)
            expand = convolution(3, planes, planes * 4, side: 1)
            shortcut =
                isFirst
                ? Convolution(
                    "\(name).downsample.0", norm: "\(name).downsample.1", inputs: inputs, outputs: planes * 4, side: 1)
                : nil
        }

        var convolutions: [Convolution] { [reduce, spatial, expand, shortcut].compactMap(\.self) }
    }

    /// Attention pooling (CLIP's `AttentionPool2d`).
    package struct AttentionPool: Sendable {
        /// The embeddings of the mean's and the pixels' positions: `[1 + grid * grid, embedding]`.
        package let positions: ExpectedTensor
        /// `[embedding, embedding]`.
        package let query: WeightAndBias
        /// `[embedding, embedding]`.
        package let key: WeightAndBias
        /// `[embedding, embedding]`.
        package let value: WeightAndBias
        /// `[features, embedding]`.
        package let output: WeightAndBias

        var tensors: [ExpectedTensor] { [positions] + [query, key, value, output].flatMap(\.tensors) }
    }

    /// The number of channels after the stem; 80 in RN50x4.
    package let width: Int
    /// The side of the map that attention pooling reads; 9 in RN50x4.
    package let gridSize: Int
    /// The three convolutions of the stem, 3 × 3.
    package let stem: [Convolution]
    /// The blocks of `layer1` to `layer4`; 4, 6, 10 and 6 in RN50x4.
    package let stages: [[Bottleneck]]
    /// What makes a feature vector of the last stage's map.
    package let pool: AttentionPool

    /// The length of a feature vector; 640 in RN50x4.
    package var featureWidth: Int { pool.output.weight.shape[0] }

    /// The prefix of its tensors' names. Other components of a checkpoint have other names.
    package static let namePrefix = "backbone."
    /// The suffix of the counters of training steps in batch norms, which nothing uses.
    package static let ignoredSuffix = ".num_batches_tracked"
    package static let kind = TowerKind.region

    /// Reads the sizes from a checkpoint's tensors.
    ///
    /// - Throws: `tower.tensors` if the tensors are not those of such a network.
    package init(tensors: [TensorDescription]) throws {
        let shapes = Dictionary(tensors.map { ($0.name, $0.shape.dimensions) }) { first, _ in first }
        do {
            try self.init { shapes[$0] }
        } catch let error as PVITError {
            throw PVITError(
                .towerTensors, "the file has no RegionCLIP image encoder: \(error.what)", tensor: error.tensor,
                remedy: "give regionclip_pretrained-cc_rn50x4.pth, or another RegionCLIP ResNet")
        }
    }

    /// Reads the sizes from the shapes of some tensors.
    ///
    /// - Parameters:
    ///   - prefix: Goes before all names, such as `region_encoder.` in a container.
    ///   - shape: Gives the shape of a tensor, or nil if there is no such tensor.
    /// - Throws: `tensor.not-found` and `tensor.mismatch` naming the tensor at fault; the errors of `shape`.
    package init(prefix: String = "", shape: (TensorName) throws -> [Int]?) throws {
        let root = prefix + Self.namePrefix
        func dimensions(_ name: String, rank: Int) throws -> [Int] {
            let name = TensorName(root + name)
            guard let found = try shape(name) else {
                throw PVITError(.tensorNotFound, "the tensor is missing", tensor: name)
            }
            guard found.count == rank, found.allSatisfy({ (1...65_536).contains($0) }) else {
                throw PVITError(.tensorMismatch, "the tensor has the shape \(found), not \(rank) extents", tensor: name)
            }
            return found
        }
        let half = try dimensions("conv1.weight", rank: 4)[0]
        let width = half * 2
        let positions = try dimensions("attnpool.positional_embedding", rank: 2)[0]
        guard let gridSize = (1...256).first(where: { $0 * $0 + 1 == positions }) else {
            throw PVITError(
                .tensorMismatch, "\(positions) positions are not those of a mean and of a square's pixels",
                tensor: TensorName("\(root)attnpool.positional_embedding"))
        }
        self.width = width
        self.gridSize = gridSize
        stem = [
            Convolution("\(root)conv1", norm: "\(root)bn1", inputs: 3, outputs: half, side: 3),
            Convolution("\(root)conv2", norm: "\(root)bn2", inputs: half, outputs: half, side: 3),
            Convolution("\(root)conv3", norm: "\(root)bn3", inputs: half, outputs: width, side: 3),
        ]
        var inputs = width
        stages = try (0..<4).map { stage in
            let (name, planes) = ("\(root)layer\(stage + 1)", width << stage)
            let count = try (0..<256).first { try shape(TensorName("\(name).\($0).conv1.weight")) == nil } ?? 256
            guard count > 0 else {
                throw PVITError(
                    .tensorNotFound, "the tensor is missing", tensor: TensorName("\(name).0.conv1.weight"))
            }
            return (0..<count).map { block in
                defer { inputs = planes * 4 }
                return Bottleneck("\(name).\(block)", inputs: inputs, planes: planes, isFirst: block == 0)
            }
        }
        let (pool, embedding) = (root + "attnpool", inputs)
        func linear(_ name: String, _ outputs: Int) -> WeightAndBias {
            WeightAndBias(linear: "\(pool).\(name)", inputs: embedding, outputs: outputs)
        }
        self.pool = AttentionPool(
            positions: ExpectedTensor("\(pool).positional_embedding", [positions, embedding]),
            query: linear("q_proj", embedding), key: linear("k_proj", embedding), value: linear("v_proj", embedding),
            output: linear("c_proj", try dimensions("attnpool.c_proj.weight", rank: 2)[0]))
    }

    package var tensors: [ExpectedTensor] {
        stem.flatMap(\.tensors) + stages.flatMap { $0.flatMap(\.convolutions).flatMap(\.tensors) } + pool.tensors
    }

    package var quantizableTensors: [ExpectedTensor] {
        stages.joined().flatMap(\.convolutions).map(\.kernels).filter { QuantizedKernels.shape(of: $0.shape) != nil }
    }
}
