import Checkpoints
import Container
import SystemPackage
import Tensors

/// An encoder of images that travels in a container beside the language model.
public struct Tower: Sendable {
    /// Which encoder.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// CLIP's vision transformer, which sees the image as a whole.
        case vision = "vision_tower"
        /// RegionCLIP's residual network, which sees parts of it.
        case region = "region_encoder"

        /// What the names of its tensors begin with in a container.
        var prefix: String { rawValue + "." }

        /// What people call it.
        public var title: String {
            switch self {
            case .vision: "vision tower"
            case .region: "region encoder"
            }
        }
    }

    /// Which encoder.
    public let kind: Kind
    /// The folder or file that it comes from.
    public let path: FilePath
    /// How its weights are stored there, for people.
    public let format: String
    /// Its sizes, as the container's metadata have them (`formats/pvq.md`).
    public let config: JSONObject
    /// How images are prepared for it, where its folder says so.
    public let preprocessor: JSONObject?
    /// The files that its weights come from.
    public let sourceFiles: [Checkpoint.SourceFile]
    /// Tensors of the files that do not belong to the encoder.
    public let leftOut: [TensorName]
    /// The weights under the names that they have in a container, in the order of a forward pass.
    public let weights: any TensorSource

    /// The length of a feature vector.
    let featureWidth: Int

    /// The tensors that go into a container.
    var storedTensors: [TensorDescription] { weights.tensors }

    /// What a container's metadata say of the encoder.
    var metadata: JSONObject {
        var metadata: JSONObject = ["\(kind.rawValue).config": .object(config)]
        metadata["\(kind.rawValue).preprocessor"] = preprocessor.map { .object($0) }
        return metadata
    }

    /// Throws unless the language model has a projection for features of this length.
    ///
    /// - Throws: `tower.mismatch`.
    func checkSuits(_ model: JSONObject, of checkpoint: Checkpoint) throws {
        let projection: TensorName = kind == .vision ? "model.mm_projector.weight" : "model.prompt_projector.weight"
        guard let tensor = checkpoint.weights.tensor(named: projection) else {
            throw PVITError(
                .towerMismatch, "the model lacks the projection of features that a \(kind.title) needs",
                file: checkpoint.path, tensor: projection,
                remedy: "give a PVIT model, such as the sum of LLaMA and PVIT's delta")
        }
        guard tensor.shape.dimensions == [model["hidden_size"]?.integer ?? -1, featureWidth] else {
            throw PVITError(
                .towerMismatch,
                "the \(kind.title) gives features of length \(featureWidth), and the model's projection for them has the "
                    + "shape \(tensor.shape)", file: path, tensor: projection,
                remedy: "give the \(kind.title) that the model was trained with")
        }
    }
}

extension PVITError.Code {
    /// The files do not hold the encoder that they should.
    public static let towerTensors = Self("tower.tensors", .badData)
    /// The configuration of an encoder lacks a size or has one that is out of range.
    public static let towerConfig = Self("tower.config", .badData)
    /// The encoder does not suit the language model.
    public static let towerMismatch = Self("tower.mismatch", .badData)
}

/// Compares the tensors of an encoder with those that its sizes ask for.
struct TowerInventory {
    /// Name and shape of every tensor, in the order of a forward pass.
    let expected: [(name: TensorName, shape: [Int])]

    /// Throws unless `tensors` are exactly the expected ones.
    ///
    /// - Throws: `tower.tensors`, listing what is missing, misshaped or unexpected.
    func check(_ tensors: [TensorDescription], title: String, file: FilePath) throws {
        var rest = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        var missing: [TensorName] = []
        var misshaped: [(name: TensorName, text: String)] = []
        for (name, shape) in expected {
            guard let tensor = rest.removeValue(forKey: name) else {
                missing.append(name)
                continue
            }
            if tensor.shape.dimensions != shape {
                misshaped.append((name, "\(name) is \(tensor.shape), not \(shape)"))
            }
        }
        let unexpected = rest.keys.sorted()
        var complaints: [String] = []
        if !missing.isEmpty { complaints.append("missing: \(missing.map(\.rawValue).listed())") }
        if !misshaped.isEmpty { complaints.append("of another shape: \(misshaped.map(\.text).listed())") }
        if !unexpected.isEmpty { complaints.append("unexpected: \(unexpected.map(\.rawValue).listed())") }
        guard !complaints.isEmpty else { return }
        throw PVITError(
            .towerTensors, "the tensors are not those of the \(title); " + complaints.joined(separator: "; "),
            file: file, tensor: missing.first ?? misshaped.first?.name ?? unexpected.first,
            remedy: "check that the files are complete and of the \(title) that the model was trained with")
    }
}
