import CKernels
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
        let (columns, rows, tokens) = (matrix.columns, piece.rows.count, input.rows)
        let groups = (rows + Self.groupRows - 1) / Self.groupRows
        let (x, stride) = (UnsafePointer(input.start), input.stride)
        let y = output.start + piece.rows.lowerBound
        try matrix.withRows(piece.rows, ofTile: piece.tile, scratch.tile) { bytes, scale in
            switch matrix.layout {
            case .q4:
                kernels.gemmQ4(
                    bytes.as(UInt8.self), groups, columns, scale, input.quantized.pointers, tokens, y, output.stride)
            case .q8:
                kernels.gemmQ8(
                    bytes.as(UInt8.self), groups, columns, scale, input.wide.pointers, tokens, y, output.stride)
            case .f32:
                kernels.gemmF32(bytes.as(Float.self), rows, columns, x, stride, tokens, y, output.stride)
            case .f16, .bf16:
                let halves = bytes.as(UInt16.self)
                let isF16 = matrix.layout == .f16
                guard tokens > Self.widenedTokens else {
                    let multiply = isF16 ? kernels.gemmF16 : kernels.gemmBF16
                    return multiply(halves, rows, columns, x, stride, tokens, y, output.stride)
                }
                let weights = scratch.floats(rows * columns)
                (isF16 ? kernels.widenF16 : kernels.widenBF16)(halves, weights, rows * columns)
                kernels.gemmF32(weights, rows, columns, x, stride, tokens, y, output.stride)
            }
        }
    }

    /// More tokens than this share the widening of halves to float32; for fewer they are widened in registers. The bits are
    /// the same.
    private static let widenedTokens = 12

    /// result[row] = row `index` of a matrix for each of `rows`: the embedding of tokens.
    func lookUp(_ rows: [(row: Int, index: Int)], in matrix: WeightMatrix, into result: ActivationMatrix) throws {
        // Tokens whose rows share a tile follow one another, so that a compressed tile is decoded once for them all.
        let order = rows.sorted { ($0.index, $0.row) < ($1.index, $1.row) }
        var runs: [Range<Int>] = []
        var start = 0
        for place in order.indices {
            let next = place + 1
            if next < order.count, matrix.tile(ofRow: order[next].index) == matrix.tile(ofRow: order[place].index) {
                continue
            }
            runs.append(start..<next)
            start = next
        }
        try forEach(runs.count) { range, scratch in
            for run in runs[range] {
                let tile = matrix.tile(ofRow: order[run.lowerBound].index)
                let first = matrix.tileStarts[tile]
                try matrix.withTile(tile, scratch.tile) { bytes, scale in
                    for (row, index) in order[run] {
                        decode(row: index - first, of: bytes, scale, matrix, into: result.row(row))
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
