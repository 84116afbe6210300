import Storage
import SystemPackage
import Tensors

/// The projections of a PVIT model, which take the features of images and regions into the decoder's space.
package struct PVITArchitecture: Sendable {
    /// The projections, by what they project. The raw values are their names below `model.`.
    package enum Projection: String, Sendable, CaseIterable {
        /// The vision tower's features of an image.
        case image = "mm_projector"
        /// The region encoder's features of a region.
        case region = "prompt_projector"
        /// The four edges of a region's box.
        case box = "bbox_fc"

        /// The tensors: `[hidden, inputs]` and `[hidden]`.
        package func tensors(inputs: Int, hiddenSize: Int) -> WeightAndBias {
            WeightAndBias(linear: name, inputs: inputs, outputs: hiddenSize)
        }

        /// The name of the weight.
        package var weightName: TensorName { TensorName(name + ".weight") }
        /// The name of the bias.
        package var biasName: TensorName { TensorName(name + ".bias") }

        private var name: String { "model." + rawValue }
    }

    /// For the features of an image.
    package let image: WeightAndBias
    /// For the features of a region; nil if the model has no region encoder.
    package let region: WeightAndBias?
    /// For a region's box; nil if the model has no region encoder or does not use boxes.
    package let box: WeightAndBias?

    /// - Parameter regionFeatureWidth: The length of a region encoder's features; nil if there is no such encoder.
    package init(_ configuration: PVITConfiguration, hiddenSize: Int, regionFeatureWidth: Int?) {
        image = Projection.image.tensors(inputs: configuration.imageFeatureWidth, hiddenSize: hiddenSize)
        region = regionFeatureWidth.map { Projection.region.tensors(inputs: $0, hiddenSize: hiddenSize) }
        box =
            region != nil && configuration.usesBoxes ? Projection.box.tensors(inputs: 4, hiddenSize: hiddenSize) : nil
    }

    /// Name and shape of every tensor.
    package var tensors: [ExpectedTensor] { [image, region, box].compactMap(\.self).flatMap(\.tensors) }

    /// Throws unless a model has all of them.
    ///
    /// - Throws: `checkpoint.tensors` naming the first that is missing or has another shape.
    package func check(_ source: some Collection<TensorDescription>, file: FilePath) throws {
        let shapes = Dictionary(source.map { ($0.name, $0.shape.dimensions) }) { first, _ in first }
        for tensor in tensors where shapes[tensor.name] != tensor.shape {
            let found = shapes[tensor.name].map { "has the shape \($0), not \(tensor.shape)" } ?? "is missing"
            throw PVITError(
                .checkpointTensors, "a projection that the towers need \(found)", file: file, tensor: tensor.name,
                remedy: "give a PVIT model, such as the sum of LLaMA and PVIT's delta")
        }
    }
}
