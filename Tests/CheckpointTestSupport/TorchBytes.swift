/// The bytes of a file as `torch.save` writes it for a dictionary of f32 tensors, each with a storage of its own.
///
/// - Parameter wrap: Makes the whole object from the dictionary of the tensors.
public func torchBytes(
    _ tensors: [(name: String, shape: [Int], values: [Float])], wrap: ([UInt8]) -> [UInt8] = { $0 }
) -> [UInt8] {
    typealias P = PickleBytes
    let members = tensors.enumerated().map { place, tensor in
        let strides = tensor.shape.indices.map { tensor.shape[($0 + 1)...].reduce(1, *) }
        let storage = P.storage(key: String(place), count: tensor.values.count)
        return (P.text(tensor.name), P.tensor(storage, sizes: tensor.shape, strides: strides))
    }
    return ZipBytes(
        pickle: P.pickle(wrap(P.dictionary(members))), storages: tensors.map { packed($0.values, .f32) }
    ).bytes
}
