import Architectures
import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// An image encoder that is stored in a container beside the language model.
package struct Tower: Sendable {
    /// Kinds of encoder.
    package typealias Kind = TowerKind

    /// Which encoder.
    package let kind: Kind
    /// The folder or file that it comes from.
    package let path: FilePath
    /// Its sizes, as in the container's metadata (`formats/pvq.md`).
    package let config: JSONObject
    /// How images are prepared for it, if its folder says so.
    package let preprocessor: JSONObject?
    /// The files that its weights come from.
    package let sourceFiles: [Checkpoint.SourceFile]
    /// Tensors of the files that do not belong to the encoder.
    package let leftOut: [TensorName]
    /// The weights with their names in a container, in the order of a forward pass.
    package private(set) var weights: any TensorSource

    /// The length of a feature vector.
    let featureWidth: Int
    /// The weights that can be stored in 8 bits.
    let quantizableNames: Set<TensorName>
    /// Whether it comes from a container that has its weights in 8 bits.
    package internal(set) var comesQuantized = false
    /// The weights that are stored in 8 bits.
    package private(set) var quantizedNames: Set<TensorName> = []

    /// The tensors that go into a container.
    var storedTensors: [TensorDescription] { weights.tensors }

    /// The encoder's metadata in a container.
    package var metadata: JSONObject {
        var metadata: JSONObject = ["\(kind.rawValue).config": .object(config)]
        metadata["\(kind.rawValue).preprocessor"] = preprocessor.map { .object($0) }
        return metadata
    }

    /// The encoder with the weights in 8 bits for which that is possible.
    ///
    /// - Throws: `tensor.mismatch` if a tensor becomes too large to address.
    package func quantized() throws -> Tower {
        var result = self
        result.quantizedNames = quantizableNames
        result.weights = try ReorderedKernels.channelsLast(weights, quantizableNames)
        return result
    }

    /// Throws unless the language model has a projection for features of this length.
    ///
    /// - Throws: `tower.mismatch`.
    func checkSuits(_ model: LlamaConfiguration, of checkpoint: Checkpoint) throws {
        let projection = (kind == .vision ? PVITArchitecture.Projection.image : .region).weightName
        guard let tensor = checkpoint.weights.tensor(named: projection) else {
            throw PVITError(
                .towerMismatch, "the model lacks the projection of features that a \(kind.title) needs",
                file: checkpoint.path, tensor: projection,
                remedy: "give a PVIT model, such as the sum of LLaMA and PVIT's delta")
        }
        guard tensor.shape.dimensions == [model.hiddenSize, featureWidth] else {
            throw PVITError(
                .towerMismatch,
                "the features of the \(kind.title) have the length \(featureWidth), and the model's projection for "
                    + "them has the shape \(tensor.shape)", file: path, tensor: projection,
                remedy: "give the \(kind.title) that the model was trained with")
        }
    }
}

extension PVITError.Code {
    /// The encoder does not fit the language model.
    package static let towerMismatch = Self("tower.mismatch", .badData)
}
