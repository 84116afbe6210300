import Storage
import Tensors

/// The files of a Meta LLaMA folder as one model with the names and the rotary convention of `transformers`.
///
/// Nothing is put together in memory: rows are looked up in the file that has them, and rows whose columns are spread
/// over the files are read from each in turn.
///
/// Meta rotates the neighbours 2i and 2i + 1 of a head, `transformers` the elements i and i + width/2. So row
/// `[head, half, i]` of a query or key matrix here is row `[head, i, half]` there.
struct MetaSource: TensorSource {
    let tensors: [TensorDescription]
    private let files: [TorchFile]
    private let parts: [TensorName: Parts]
    private let headWidth: Int

    /// The parts of one tensor, one for each file.
    private struct Parts {
        let whole: TensorDescription
        let pieces: [TensorDescription]
        let split: MetaTensorRole.Split
        let isRotary: Bool
    }

    /// - Throws: `meta.tensors` for missing, unknown or doubtful tensors, `meta.shape` for parts that do not fit.
    init(_ files: [TorchFile], _ parameters: MetaParameters) throws {
        let held = files.map { file in Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) }) }
        let roles = MetaTensorRole.all(layerCount: parameters.layerCount)
        for (file, held) in zip(files, held) {
            let missing = roles.keys.filter { held[$0] == nil && $0 != MetaTensorRole.outputName }.sorted()
            if let first = missing.first {
                throw PVITError(
                    .metaTensors, "the file lacks tensors of the model: \(missing.map(\.rawValue).listed())",
                    file: file.path, tensor: first, remedy: "check that params.json and the files are of one model")
            }
            let unknown = held.keys.filter { roles[$0] == nil && !MetaTensorRole.isIgnored($0) }.sorted()
            if let first = unknown.first {
                throw PVITError(
                    .metaTensors, "the file has tensors that the model has not: \(unknown.map(\.rawValue).listed())",
                    file: file.path, tensor: first, remedy: "check that params.json and the files are of one model")
            }
        }
        var tensors: [TensorDescription] = []
        var parts: [TensorName: Parts] = [:]
        for tensor in files.first?.tensors ?? [] {
            guard let role = roles[tensor.name] else { continue }
            let pieces = try zip(files, held).map { file, held in
                guard let piece = held[tensor.name] else {
                    throw PVITError(
                        .metaTensors, "the file lacks a tensor that other files have", file: file.path,
                        tensor: tensor.name)
                }
                return piece
            }
            let joined = try Self.join(pieces, role, parameters)
            tensors.append(joined.whole)
            parts[role.name] = joined
        }
        self.files = files
        self.tensors = tensors
        self.parts = parts
        headWidth = parameters.headWidth
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let parts = parts[tensor.name], parts.whole == tensor else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        let rowStride = tensor.bytesPerRow
        switch parts.split {
        case .replicated:
            try files[0].copyRows(
                RowSelection(rows), of: parts.pieces[0], into: &destination, at: 0, rowStride: rowStride)
        case .columns, .rowsOrColumns:
            var offset = 0
            for (file, piece) in zip(files, parts.pieces) {
                try file.copyRows(
                    RowSelection(rows), of: piece, into: &destination, at: offset, rowStride: rowStride)
                offset += piece.bytesPerRow
            }
        case .rows:
            var row = rows.lowerBound
            while row < rows.upperBound {
                let run = run(from: row, before: rows.upperBound, parts)
                try files[run.file].copyRows(
                    run.selection, of: parts.pieces[run.file], into: &destination,
                    at: (row - rows.lowerBound) * rowStride, rowStride: rowStride)
                row += run.selection.count
            }
        }
    }

    /// The longest run of rows from `row` on that lie evenly spaced in one file.
    private func run(from row: Int, before end: Int, _ parts: Parts) -> (file: Int, selection: RowSelection) {
        let rowsPerFile = parts.pieces[0].shape.rows
        let file = row / rowsPerFile
        let local = row % rowsPerFile
        guard parts.isRotary else {
            let count = min(end - row, rowsPerFile - local)
            return (file, RowSelection(first: local, step: 1, count: count))
        }
        let halfWidth = headWidth / 2
        let place = local % headWidth
        let (half, index) = place.quotientAndRemainder(dividingBy: halfWidth)
        let count = min(end - row, halfWidth - index)
        return (file, RowSelection(first: local - place + 2 * index + half, step: 2, count: count))
    }

    /// Checks the parts of a tensor and puts their shapes together.
    private static func join(
        _ pieces: [TensorDescription], _ role: MetaTensorRole, _ parameters: MetaParameters
    ) throws -> Parts {
        let first = pieces[0]
        func misshaped(_ what: String) -> PVITError {
            PVITError(
                .metaShape, "\(pieces.count) parts of shape \(first.shape) \(what)", tensor: first.name,
                remedy: "check that params.json and all consolidated files are of one model")
        }
        guard pieces.allSatisfy({ $0.shape == first.shape && $0.elementType == first.elementType }) else {
            throw misshaped("and of others are in the files")
        }
        guard first.shape.rank == (role.kind == .norm ? 1 : 2), !first.shape.dimensions.contains(0),
            first.shape.dimensions.allSatisfy({ $0 <= 1 << 32 })
        else { throw misshaped("are not possible") }
        let split = split(of: role, width: first.shape.elementsPerRow, hiddenSize: parameters.hiddenSize)
        var dimensions = first.shape.dimensions
        switch split {
        case .replicated: break
        case .rows: dimensions[0] *= pieces.count
        case .columns, .rowsOrColumns: dimensions[1] *= pieces.count
        }
        let expected = expectedShape(of: role.kind, dimensions, parameters)
        let isRotary = role.kind == .query || role.kind == .key
        guard dimensions == expected, let shape = Shape(dimensions) else {
            throw misshaped("do not make the shape \(expected) that params.json gives")
        }
        guard !isRotary || first.shape.rows % parameters.headWidth == 0 else {
            throw misshaped("cut through attention heads of width \(parameters.headWidth)")
        }
        return Parts(
            whole: try TensorDescription(name: role.name, elementType: first.elementType, shape: shape),
            pieces: pieces, split: split, isRotary: isRotary)
    }

    private static func split(of role: MetaTensorRole, width: Int, hiddenSize: Int) -> MetaTensorRole.Split {
        guard role.split == .rowsOrColumns else { return role.split }
        return width == hiddenSize ? .rows : .columns
    }

    /// The shape that a tensor must have; the sizes that `params.json` does not give are taken from the tensor itself.
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
