import Storage
import Tensors

/// The tensors of RegionCLIP's image encoder, CLIP's modified ResNet (Radford et al., 2021, section 2.4), by the sizes
/// that its weights have: RegionCLIP's checkpoints carry no configuration.
package struct RegionCLIPArchitecture {
    /// The number of channels after the stem; 80 in RN50x4.
    package let width: Int
    /// The number of blocks in each stage; 4, 6, 10 and 6 in RN50x4.
    package let blocks: [Int]
    /// The number of places along a side of the map that attention pooling reads; 9 in RN50x4.
    package let grid: Int
    /// The length of a feature vector; 640 in RN50x4.
    package let outputWidth: Int
    /// Name and shape of every tensor.
    package let inventory: TowerInventory

    /// What the names of its tensors begin with. Other parts of a checkpoint have other names.
    package static let namePrefix = "backbone."
    /// Counters of training steps that batch norms carry and nobody reads.
    package static let ignoredSuffix = ".num_batches_tracked"

    /// Reads the sizes off the shapes of some tensors.
    ///
    /// - Throws: `tower.tensors` when the tensors do not look like those of such a network.
    package init(tensors: [TensorDescription]) throws {
        let shapes = Dictionary(tensors.map { ($0.name, $0.shape.dimensions) }) { first, _ in first }
        func shape(_ name: String, rank: Int) throws -> [Int] {
            let name = TensorName(Self.namePrefix + name)
            guard let shape = shapes[name], shape.count == rank, shape.allSatisfy({ (1...65_536).contains($0) }) else {
                throw PVITError(
                    .towerTensors, "the file has no RegionCLIP image encoder: the tensor is absent or of another rank",
                    tensor: name, remedy: "give regionclip_pretrained-cc_rn50x4.pth, or another RegionCLIP ResNet")
            }
            return shape
        }
        let width = try shape("conv1.weight", rank: 4)[0] * 2
        let positions = try shape("attnpool.positional_embedding", rank: 2)[0]
        let grid = (1...256).first { $0 * $0 + 1 == positions }
        let blocks = (1...4).map { stage in
            (0..<256).prefix { shapes[TensorName("\(Self.namePrefix)layer\(stage).\($0).conv1.weight")] != nil }.count
        }
        guard let grid, blocks.allSatisfy({ $0 > 0 }) else {
            throw PVITError(
                .towerTensors,
                "the file has no RegionCLIP image encoder: attention pooling reads \(positions - 1) places, "
                    + "and the stages have \(blocks) blocks", tensor: "backbone.attnpool.positional_embedding")
        }
        self.width = width
        self.blocks = blocks
        self.grid = grid
        outputWidth = try shape("attnpool.c_proj.weight", rank: 2)[0]
        inventory = TowerInventory(
            expected: Self.tensors(width: width, blocks: blocks, positions: positions, outputWidth: outputWidth))
    }

    /// The sizes for a container's metadata, with those that PVIT scales images to.
    package var config: JSONObject {
        [
            "model_type": "regionclip_resnet", "width": .integer(width), "blocks": .array(blocks.map { .integer($0) }),
            "attention_heads": .integer(width / 2), "pooling_grid": .integer(grid),
            "output_size": .integer(outputWidth), "shortest_edge": 800, "longest_edge": 1333,
        ]
    }

    private static func tensors(
        width: Int, blocks: [Int], positions: Int, outputWidth: Int
    ) -> [(name: TensorName, shape: [Int])] {
        var tensors: [(name: TensorName, shape: [Int])] = []
        func add(_ name: String, _ shape: [Int]) { tensors.append((TensorName(namePrefix + name), shape)) }
        func norm(_ name: String, _ channels: Int) {
            for part in ["weight", "bias", "running_mean", "running_var"] { add("\(name).\(part)", [channels]) }
        }
        func convolution(_ name: String, norm normName: String, _ output: Int, _ input: Int, _ side: Int) {
            add(name + ".weight", [output, input, side, side])
            norm(normName, output)
        }
        convolution("conv1", norm: "bn1", width / 2, 3, 3)
        convolution("conv2", norm: "bn2", width / 2, width / 2, 3)
        convolution("conv3", norm: "bn3", width, width / 2, 3)
        var input = width
        for (stage, count) in blocks.enumerated() {
            let planes = width << stage
            for block in 0..<count {
                let prefix = "layer\(stage + 1).\(block)."
                convolution(prefix + "conv1", norm: prefix + "bn1", planes, input, 1)
                convolution(prefix + "conv2", norm: prefix + "bn2", planes, planes, 3)
                convolution(prefix + "conv3", norm: prefix + "bn3", planes * 4, planes, 1)
                if block == 0 {
                    convolution(prefix + "downsample.0", norm: prefix + "downsample.1", planes * 4, input, 1)
                }
                input = planes * 4
            }
        }
        add("attnpool.positional_embedding", [positions, input])
        for (name, rows) in [("q_proj", input), ("k_proj", input), ("v_proj", input), ("c_proj", outputWidth)] {
            add("attnpool.\(name).weight", [rows, input])
            add("attnpool.\(name).bias", [rows])
        }
        return tensors
    }
}
