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
        try quantize(input, for: projection)
        try projection.multiplying { try multiply(projection, input, outputs) }
    }

    private func multiply(
        _ projection: Projection, _ input: ActivationMatrix, _ outputs: [ActivationMatrix]
    ) throws {
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

    private func quantize(_ input: ActivationMatrix, for projection: Projection) throws {
        guard projection.needsQuantizedInput || projection.needsWideInput else { return }
        let columns = input.columns
        let narrow = projection.needsQuantizedInput ? input.quantized : nil
        let wide = projection.needsWideInput ? input.wide : nil
        try forEach(input.rows, operations: 8 * columns) { rows, _ in
            for row in rows {
                let (codes, scales) = (row * columns, row * (columns / 32))
                if let narrow {
                    kernels.quantizeActivations(
                        input.row(row), columns, narrow.codes + codes, narrow.scales + scales,
                        narrow.sums + row * (columns / 16))
                }
                if let wide {
                    kernels.quantizeWideActivations(
                        input.row(row), columns, wide.codes + codes, wide.scales + scales, wide.sums + scales)
                }
            }
        }
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
            case .q8: kernels.gemvQ8(bytes.as(UInt8.self), groups, columns, scale, input.wide.pointers, y)
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
            if matrix.layout == .q4 {
                kernels.gemmQ4(
                    weights, groups, matrix.columns, scale, input.quantized.pointers, input.rows, y, output.stride)
            } else {
                kernels.gemmQ8(
                    weights, groups, matrix.columns, scale, input.wide.pointers, input.rows, y, output.stride)
            }
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
                let first = matrix.tileStarts[tile]
                try matrix.withTile(tile, scratch.tile) { bytes, scale in
                    for place in order[run] {
                        decode(
                            row: indices[place] - first, of: bytes, scale, matrix, into: result.row(place))
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

extension QuantizedActivations<Int8> {
    /// The activations as kernels take them.
    var pointers: pvit_activations { pvit_activations(codes: codes, scales: scales, sums: sums) }
}

extension QuantizedActivations<Int16> {
    /// The activations as kernels take them.
    var pointers: pvit_wide_activations { pvit_wide_activations(codes: codes, scales: scales, sums: sums) }
}

extension UnsafeRawPointer {
    fileprivate func `as`<Value>(_ type: Value.Type) -> UnsafePointer<Value> { assumingMemoryBound(to: type) }
}
