import Storage
import Tensors

/// The tensors of several sources, which must have different names.
struct JoinedSource: TensorSource {
    let tensors: [TensorDescription]
    private let sources: [any TensorSource]
    private let sourceIndices: [TensorName: Int]

    init(_ sources: [any TensorSource]) {
        self.sources = sources
        tensors = sources.flatMap(\.tensors)
        var indices: [TensorName: Int] = [:]
        for (index, source) in sources.enumerated() {
            for tensor in source.tensors { indices[tensor.name] = index }
        }
        sourceIndices = indices
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try source(of: tensor).readRows(rows, of: tensor, into: &destination)
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        try source(of: tensor).withRows(rows, of: tensor, scratch: &scratch, body)
    }

    /// The source that has a tensor.
    private func source(of tensor: TensorDescription) throws -> any TensorSource {
        guard let index = sourceIndices[tensor.name] else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        return sources[index]
    }
}
