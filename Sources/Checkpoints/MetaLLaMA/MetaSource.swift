import Storage
import Tensors

/// The files of a Meta LLaMA folder as one model with the names and the rotary convention of `transformers`.
///
/// Tensors are not assembled in memory: rows are read from the file that has them, and rows whose columns are spread
/// over the files are read from each file.
struct MetaSource: TensorSource {
    let tensors: [TensorDescription]
    private let files: [TorchFile]
    private let splitTensors: [TensorName: SplitTensor]

    /// The slices of one tensor, one for each file.
    private struct SplitTensor {
        let whole: TensorDescription
        let slices: [TensorDescription]
        let split: MetaTensorRole.Split
        /// The order of the rows of query and key projections.
        let order: RotaryRowOrder?
    }

    /// - Throws: `meta.tensors` for missing, or unknown tensors, `meta.shape` for slices that do not match.
    init(_ files: [TorchFile], _ parameters: MetaParameters) throws {
        let held = files.map { file in Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) }) }
        let roles = MetaTensorRole.all(layerCount: parameters.layerCount)
        for (file, held) in zip(files, held) {
            let missing = roles.keys.filter { held[$0] == nil && $0 != MetaTensorRole.outputName }.sorted()
            if let first = missing.first {
                throw PVITError(
                    .metaTensors, "the file lacks tensors of the model: \(missing.map(\.rawValue).listed())",
                    file: file.path, tensor: first,
                    remedy: "check that params.json and the files belong to the same model")
            }
            let unknown = held.keys.filter { roles[$0] == nil && !MetaTensorRole.isIgnored($0) }.sorted()
            if let first = unknown.first {
                throw PVITError(
                    .metaTensors,
                    "the file has tensors that the model does not have: \(unknown.map(\.rawValue).listed())",
                    file: file.path, tensor: first,
                    remedy: "check that params.json and the files belong to the same model")
            }
        }
        var tensors: [TensorDescription] = []
        var splitTensors: [TensorName: SplitTensor] = [:]
        for tensor in files.first?.tensors ?? [] {
            guard let role = roles[tensor.name] else { continue }
            let slices = try zip(files, held).map { file, held in
                guard let slice = held[tensor.name] else {
                    throw PVITError(
                        .metaTensors, "the file lacks a tensor that other files have", file: file.path,
                        tensor: tensor.name)
                }
                return slice
            }
            let joined = try Self.join(slices, role, parameters)
            tensors.append(joined.whole)
            splitTensors[role.name] = joined
        }
        self.files = files
        self.tensors = tensors
        self.splitTensors = splitTensors
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let split = splitTensors[tensor.name], split.whole == tensor else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        let rowStride = tensor.bytesPerRow
        switch split.split {
        case .replicated:
            try files[0].copyRows(
                RowSelection(rows), of: split.slices[0], into: &destination, at: 0, rowStride: rowStride)
        case .columns, .rowsOrColumns:
            var offset = 0
            for (file, slice) in zip(files, split.slices) {
                try file.copyRows(
                    RowSelection(rows), of: slice, into: &destination, at: offset, rowStride: rowStride)
                offset += slice.bytesPerRow
            }
        case .rows:
            var row = rows.lowerBound
            while row < rows.upperBound {
                let run = run(from: row, before: rows.upperBound, split)
                try files[run.file].copyRows(
                    run.selection, of: split.slices[run.file], into: &destination,
                    at: (row - rows.lowerBound) * rowStride, rowStride: rowStride)
                row += run.selection.count
            }
        }
    }

    /// The longest run of rows from `row` that are evenly spaced in one file.
    private func run(from row: Int, before end: Int, _ tensor: SplitTensor) -> (file: Int, selection: RowSelection) {
        let rowsPerFile = tensor.slices[0].shape.rows
        let file = row / rowsPerFile
        let local = row % rowsPerFile
        let rows = local..<min(local + end - row, rowsPerFile)
        return (file, tensor.order?.interleavedRun(of: rows) ?? RowSelection(rows))
    }

    /// Checks the slices of a tensor and computes the shape of the whole.
    private static func join(
        _ slices: [TensorDescription], _ role: MetaTensorRole, _ parameters: MetaParameters
    ) throws -> SplitTensor {
        let first = slices[0]
        func misshaped(_ what: String) -> PVITError {
            PVITError(
                .metaShape, "\(slices.count) slices of shape \(first.shape) \(what)", tensor: first.name,
                remedy: "check that params.json and all consolidated files belong to the same model")
        }
        guard slices.allSatisfy({ $0.shape == first.shape && $0.elementType == first.elementType }) else {
            throw misshaped("are mixed with slices of other shapes or types")
        }
        guard first.shape.rank == (role.kind == .norm ? 1 : 2), !first.shape.dimensions.contains(0),
            first.shape.dimensions.allSatisfy({ $0 <= 1 << 32 })
        else { throw misshaped("are not valid") }
        let split = split(of: role, width: first.shape.elementsPerRow, hiddenSize: parameters.hiddenSize)
        var dimensions = first.shape.dimensions
        switch split {
        case .replicated: break
        case .rows: dimensions[0] *= slices.count
        case .columns, .rowsOrColumns: dimensions[1] *= slices.count
        }
        let expected = expectedShape(of: role.kind, dimensions, parameters)
        guard dimensions == expected, let shape = Shape(dimensions) else {
            throw misshaped("do not make up the shape \(expected) of params.json")
        }
        var order: RotaryRowOrder?
        if role.kind == .query || role.kind == .key {
            let heads = first.shape.rows / parameters.headWidth
            order = RotaryRowOrder(rows: first.shape.rows, heads: heads)
            guard order != nil, first.shape.rows % parameters.headWidth == 0 else {
                throw misshaped("cut through attention heads of width \(parameters.headWidth)")
            }
        }
        return SplitTensor(
            whole: try TensorDescription(name: role.name, elementType: first.elementType, shape: shape),
            slices: slices, split: split, order: order)
    }

    private static func split(of role: MetaTensorRole, width: Int, hiddenSize: Int) -> MetaTensorRole.Split {
        guard role.split == .rowsOrColumns else { return role.split }
        return width == hiddenSize ? .rows : .columns
    }

    /// The shape that a tensor must have. Sizes that `params.json` does not give are taken from the tensor.
    private static func expectedShape(
        of kind: MetaTensorRole.Kind, _ actual: [Int], _ parameters: MetaParameters
    ) -> [Int] {
        let hidden = parameters.hiddenSize
        let keys = parameters.keyValueHeadCount * parameters.headWidth
        return switch kind {
        case .norm: [hidden]
        case .query, .attentionOutput: [hidden, hidden]
        case .key, .value: [keys, hidden]
        case .embedding, .output: [parameters.vocabularySize ?? actual[0], hidden]
        case .gate, .up: [actual[0], hidden]
        case .down: [hidden, actual[1]]
        }
    }
}
