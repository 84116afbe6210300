import Architectures
import Conversion
import Tensors

/// A kind of matrix, over all layers: the queries' projection, the embeddings, …
enum MatrixKind: Hashable {
    /// A matrix of the decoder's layers.
    case layer(LlamaLayerTensor)
    /// The matrices of a component outside the layers.
    case component(ModelComponent)

    /// The matrices of a layer in the order of a forward pass: q, k, v, o, gate, up, down.
    static let inLayer = LlamaLayerTensor.allCases.filter { !$0.isNorm }

    /// Recognises a matrix of the decoder's layers by its name; nil for other tensors.
    static func inLayer(_ name: TensorName) -> (layer: Int, kind: LlamaLayerTensor)? {
        guard let (layer, tensor) = LlamaLayerTensor.parse(name), !tensor.isNorm else { return nil }
        return (layer, tensor)
    }

    /// Recognises the kind by the tensor's name.
    init(_ name: TensorName) {
        self = Self.inLayer(name).map { .layer($0.kind) } ?? .component(ModelComponent(name))
    }

    /// All kinds, in the order of a forward pass, towers last.
    static let all: [MatrixKind] =
        [.component(.embeddings)] + inLayer.map(MatrixKind.layer)
        + ModelComponent.allCases.filter { $0 != .embeddings }.map(MatrixKind.component)

    /// A short title: `q`, `gate`, `embeddings`.
    var title: String {
        switch self {
        case .layer(let tensor): tensor.shortTitle
        case .component(let component): component.rawValue
        }
    }
}

extension LlamaLayerTensor {
    /// The name without its module and `_proj`: `q`, `gate`.
    var shortTitle: String {
        let name = rawValue.split(separator: ".").last ?? ""
        return String(name.hasSuffix("_proj") ? name.dropLast("_proj".count) : name)
    }
}
