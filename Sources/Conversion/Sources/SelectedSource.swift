import Storage
import Tensors

/// Some tensors of another source, renamed and in a given order.
struct SelectedSource: TensorSource {
    let tensors: [TensorDescription]
    private let original: any TensorSource
    private let originals: [TensorName: TensorDescription]

    /// Selects tensors.
    ///
    /// - Parameter names: Names in `original` and the new ones; names that `original` lacks are skipped.
    init(_ original: any TensorSource, _ names: [(original: TensorName, new: TensorName)]) throws {
        self.original = original
        let present = Dictionary(original.tensors.map { ($0.name, $0) }) { first, _ in first }
        var tensors: [TensorDescription] = []
        var originals: [TensorName: TensorDescription] = [:]
        for (name, newName) in names {
            guard let tensor = present[name] else { continue }
            tensors.append(
                try TensorDescription(name: newName, elementType: tensor.elementType, shape: tensor.shape))
            originals[newName] = tensor
        }
        self.tensors = tensors
        self.originals = originals
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try original.readRows(rows, of: original(of: tensor), into: &destination)
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        try original.withRows(rows, of: original(of: tensor), scratch: &scratch, body)
    }

    /// The tensor of the original source.
    private func original(of tensor: TensorDescription) throws -> TensorDescription {
        guard let original = originals[tensor.name] else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        return original
    }
}
