import Storage
import SystemPackage
import Tensors

/// The projections of a PVIT model, which take the features of images and regions into the decoder's space.
package struct PVITArchitecture {
    /// Name and shape of every tensor that the model's towers need.
    package let tensors: [(name: TensorName, shape: [Int])]

    /// - Parameter regionFeatureWidth: The length of a region encoder's features; nil if there is no such encoder.
    package init(_ configuration: PVITConfiguration, hiddenSize: Int, regionFeatureWidth: Int?) {
        var layers = [("mm_projector", configuration.imageFeatureWidth)]
        if let regionFeatureWidth {
            layers.append(("prompt_projector", regionFeatureWidth))
            // The four edges of the region's box.
            if configuration.usesBoxes { layers.append(("bbox_fc", 4)) }
        }
        tensors = layers.flatMap { name, width in
            [
                (TensorName("model.\(name).weight"), [hiddenSize, width]),
                (TensorName("model.\(name).bias"), [hiddenSize]),
            ]
        }
    }

    /// Throws unless a model has all of them.
    ///
    /// - Throws: `checkpoint.tensors` naming the first that is missing or has another shape.
    package func check(_ source: some Collection<TensorDescription>, file: FilePath) throws {
        let shapes = Dictionary(source.map { ($0.name, $0.shape.dimensions) }) { first, _ in first }
        for (name, shape) in tensors where shapes[name] != shape {
            let found = shapes[name].map { "has the shape \($0), not \(shape)" } ?? "is missing"
            throw PVITError(
                .checkpointTensors, "a projection that the towers need \(found)", file: file, tensor: name,
                remedy: "give a PVIT model, such as the sum of LLaMA and PVIT's delta")
        }
    }
}
