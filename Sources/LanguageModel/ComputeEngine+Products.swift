import CKernels
import COpenBLAS
import Container
import Tensors

extension ComputeEngine {
    private static let groupRows = Int(PVIT_GROUP_ROWS)

    /// outputs[i] = input Wᵢᵀ for each matrix Wᵢ of the projection: `[tokens, columns]` → `[tokens, rows of Wᵢ]`.
    func multiply(
        _ projection: Projection, _ input: ActivationMatrix, into outputs: ActivationMatrix...
    ) throws {
        precondition(outputs.count == projection.matrices.count)
        for output in outputs { output.rows = input.rows }
        if projection.needsQuantizedInput { try quantize(input, withResidual: projection.needsResidual) }
        if input.rows == 1 {
            try forEach(projection.vectorPieces.count) { range, scratch in
                for piece in projection.vectorPieces[range] {
                    try multiplyVector(projection.matrices[piece.matrix], piece, input, outputs[piece.matrix], scratch)
                }
            }
        } else {
            try forEach(projection.matrixPieces.count) { range, scratch in
                for piece in projection.matrixPieces[range] {
                    try multiplyMatrix(projection.matrices[piece.matrix], piece, input, outputs[piece.matrix], scratch)
                }
            }
        }
    }

    private func quantize(_ input: ActivationMatrix, withResidual: Bool) throws {
        let columns = input.columns
        let quantized = input.quantized
        let residual = withResidual ? input.residual : nil
        try forEach(input.rows, operations: 8 * columns) { rows, scratch in
            for row in rows {
                quantize(input.row(row), columns, into: quantized, row)
                guard let residual else { continue }
                let rest = scratch.floats(columns)
                kernels.activationResidual(
                    input.row(row), columns, quantized.codes + row * columns, quantized.scales + row * (columns / 32),
                    rest)
                quantize(rest, columns, into: residual, row)
            }
        }
    }

    private func quantize(
        _ values: UnsafeMutablePointer<Float>, _ columns: Int, into result: QuantizedActivations, _ row: Int
    ) {
        kernels.quantizeActivations(
            values, columns, result.codes + row * columns, result.scales + row * (columns / 32),
            result.sums + row * (columns / 16))
    }

    private func multiplyVector(
        _ matrix: WeightMatrix, _ piece: Projection.Piece, _ input: ActivationMatrix, _ output: ActivationMatrix,
        _ scratch: WorkerScratch
    ) throws {
        let (columns, rows) = (matrix.columns, piece.rows.count)
        let groups = (rows + Self.groupRows - 1) / Self.groupRows
        let x = input.start
        let y = output.start + piece.rows.lowerBound
        try matrix.withRows(piece.rows, ofTile: piece.tile, scratch.tile) { bytes, scale in
            switch matrix.layout {
            case .q4: kernels.gemvQ4(bytes.as(UInt8.self), groups, columns, scale, input.quantized.pointers, y)
            case .q8:
                // The second product finds the rows in the cache.
                let rest = scratch.floats(groups * Self.groupRows)
                kernels.gemvQ8(bytes.as(UInt8.self), groups, columns, scale, input.quantized.pointers, y)
                kernels.gemvQ8(bytes.as(UInt8.self), groups, columns, scale, input.residual.pointers, rest)
                kernels.add(y, rest, rows)
            case .f32: kernels.gemvF32(bytes.as(Float.self), rows, columns, x, y)
            case .f16: kernels.gemvF16(bytes.as(UInt16.self), rows, columns, x, y)
            case .bf16: kernels.gemvBF16(bytes.as(UInt16.self), rows, columns, x, y)
            }
        }
    }

    private func multiplyMatrix(
        _ matrix: WeightMatrix, _ piece: Projection.Piece, _ input: ActivationMatrix, _ output: ActivationMatrix,
        _ scratch: WorkerScratch
    ) throws {
        guard matrix.layout.isQuantized else {
            return try multiplyFloats(matrix, piece.rows, input, output, scratch)
        }
        let groups = (piece.rows.count + Self.groupRows - 1) / Self.groupRows
        let y = output.start + piece.rows.lowerBound
        try matrix.withRows(piece.rows, ofTile: piece.tile, scratch.tile) { bytes, scale in
            let weights = bytes.as(UInt8.self)
            let columns = matrix.columns
            guard matrix.layout == .q8 else {
                return kernels.gemmQ4(
                    weights, groups, columns, scale, input.quantized.pointers, input.rows, y, output.stride)
            }
            let stride = groups * Self.groupRows
            let rest = scratch.floats(input.rows * stride)
            kernels.gemmQ8(weights, groups, columns, scale, input.quantized.pointers, input.rows, y, output.stride)
            kernels.gemmQ8(weights, groups, columns, scale, input.residual.pointers, input.rows, rest, stride)
            for row in 0..<input.rows { kernels.add(y + row * output.stride, rest + row * stride, piece.rows.count) }
        }
    }

    /// The rows `rows` of a float matrix, widened, times all tokens.
    private func multiplyFloats(
        _ matrix: WeightMatrix, _ rows: Range<Int>, _ input: ActivationMatrix, _ output: ActivationMatrix,
        _ scratch: WorkerScratch
    ) throws {
        let columns = matrix.columns
        let weights = scratch.floats(rows.count * columns)
        var next = rows.lowerBound
        while next < rows.upperBound {
            let tile = matrix.tile(ofRow: next)
            let end = min(rows.upperBound, matrix.tileStarts[tile + 1])
            try widen(matrix, next..<end, ofTile: tile, into: weights + (next - rows.lowerBound) * columns, scratch)
            next = end
        }
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(input.rows), Int32(rows.count), Int32(columns), 1,
            input.start, Int32(input.stride), weights, Int32(columns), 0, output.start + rows.lowerBound,
            Int32(output.stride))
    }

    /// Rows of one tile of a float matrix as float32: `[rows, columns]`.
    private func widen(
        _ matrix: WeightMatrix, _ rows: Range<Int>, ofTile tile: Int, into result: UnsafeMutablePointer<Float>,
        _ scratch: WorkerScratch
    ) throws {
        let count = rows.count * matrix.columns
        try matrix.withRows(rows, ofTile: tile, scratch.tile) { bytes, _ in
            switch matrix.layout {
            case .f16: kernels.widenF16(bytes.as(UInt16.self), result, count)
            case .bf16: kernels.widenBF16(bytes.as(UInt16.self), result, count)
            case .f32: result.update(from: bytes.as(Float.self), count: count)
            case .q8, .q4: throw PVITError(.internalDefect, "quantized rows cannot be widened", tensor: matrix.name)
            }
        }
    }

    /// result[i] = row `indices[i]` of a matrix: the embedding of tokens. `[indices.count, columns]`
    func lookUp(_ indices: [Int], in matrix: WeightMatrix, into result: ActivationMatrix) throws {
        // Tokens whose rows share a tile follow one another, so that a compressed tile is decoded once for them all.
        let order = indices.indices.sorted { (indices[$0], $0) < (indices[$1], $1) }
        var runs: [Range<Int>] = []
        var start = 0
        for place in order.indices {
            let next = place + 1
            if next < order.count, matrix.tile(ofRow: indices[order[next]]) == matrix.tile(ofRow: indices[order[place]])
            {
                continue
            }
            runs.append(start..<next)
            start = next
        }
        try forEach(runs.count) { range, scratch in
            for run in runs[range] {
                let tile = matrix.tile(ofRow: indices[order[run.lowerBound]])
                let rows = matrix.tileStarts[tile]..<matrix.tileStarts[tile + 1]
                try matrix.withRows(rows, ofTile: tile, scratch.tile) { bytes, scale in
                    for place in order[run] {
                        decode(
                            row: indices[place] - rows.lowerBound, of: bytes, scale, matrix, into: result.row(place))
                    }
                }
            }
        }
    }

    private func decode(
        row: Int, of tile: UnsafeRawPointer, _ scale: Float, _ matrix: WeightMatrix,
        into result: UnsafeMutablePointer<Float>
    ) {
        let (group, rowOfGroup) = row.quotientAndRemainder(dividingBy: matrix.rowsPerGroup)
        let bytes = tile + group * matrix.bytesPerGroup
        let columns = matrix.columns
        switch matrix.layout {
        case .q4: kernels.rowQ4(bytes.as(UInt8.self), rowOfGroup, columns, scale, result)
        case .q8: kernels.rowQ8(bytes.as(UInt8.self), rowOfGroup, columns, scale, result)
        case .f32: result.update(from: bytes.as(Float.self), count: columns)
        case .f16: kernels.widenF16(bytes.as(UInt16.self), result, columns)
        case .bf16: kernels.widenBF16(bytes.as(UInt16.self), result, columns)
        }
    }
}

extension QuantizedActivations {
    /// The activations as kernels take them.
    var pointers: pvit_activations { pvit_activations(codes: codes, scales: scales, sums: sums) }
}

extension UnsafeRawPointer {
    fileprivate func `as`<Value>(_ type: Value.Type) -> UnsafePointer<Value> { assumingMemoryBound(to: type) }
}
