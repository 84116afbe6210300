import CKernels
import Container
import Parallelism

extension ComputeEngine {
    private static let groupRows = Int(PVIT_GROUP_ROWS)

    /// outputs[i] = input Wᵢᵀ for each matrix Wᵢ of the projection: `[tokens, columns]` → `[tokens, rows of Wᵢ]`.
    package func multiply(
        _ projection: Projection, _ input: Matrix, into outputs: Matrix...
    ) throws {
        precondition(outputs.count == projection.matrices.count)
        for output in outputs { output.rows = input.rows }
        try quantize(input, for: projection)
        try projection.multiplying { try multiply(projection, input, outputs, $0) }
    }

    private func multiply(
        _ projection: Projection, _ input: Matrix, _ outputs: [Matrix], _ tiles: TilesInPlace?
    ) throws {
        let ranges = input.rows == 1 ? projection.vectorRanges : projection.matrixRanges
        let products = zip(projection.matrices, outputs).map { WeightProduct(of: $0, input, into: $1) }
        // Pointers: threads that count references to shared objects with each small range would wait for each other.
        try ranges.withUnsafeBufferPointer { ranges in
            try products.withUnsafeBufferPointer { products in
                // Each thread reads on in the file where it was; a stream brings the weights in their order.
                let order: LoopOrder = tiles == nil ? .ascending : .neighbours
                try forEachRange(of: ranges.count, order: order) { indices, scratch in
                    for range in UnsafeBufferPointer(rebasing: ranges[indices]) {
                        let product = products[range.matrix]
                        if let location = range.location, let tile = tiles?.start(of: location) {
                            multiply(product, range.rows, tile + range.offset, range.scale, scratch)
                        } else {
                            let matrix = projection.matrices[range.matrix]
                            try matrix.withRows(range.rows, ofTile: range.tile, scratch.tile) { bytes, scale in
                                multiply(product, range.rows, bytes, scale, scratch)
                            }
                        }
                    }
                }
            }
        }
    }

    private func quantize(_ input: Matrix, for projection: Projection) throws {
        guard projection.needsQuantizedInput || projection.needsWideInput else { return }
        // The memory is allocated before the threads write to it.
        if projection.needsQuantizedInput { _ = input.activations }
        if projection.needsWideInput { _ = input.wideActivations }
        try forEachRange(of: input.rows, operations: 8 * input.columns) { rows, _ in
            for row in rows {
                if projection.needsQuantizedInput { input.quantize(row: row, kernels) }
                if projection.needsWideInput { input.quantizeWide(row: row, kernels) }
            }
        }
    }

    /// Multiplies by `rows` of a matrix, whose bytes begin at `bytes`.
    private func multiply(
        _ product: WeightProduct, _ rows: Range<Int>, _ bytes: UnsafeRawPointer, _ scale: Float,
        _ scratch: WorkerScratch
    ) {
        if product.tokens == 1 {
            multiplyVector(product, rows, bytes, scale)
        } else {
            multiplyMatrix(product, rows, bytes, scale, scratch)
        }
    }

    private func multiplyVector(
        _ product: WeightProduct, _ rows: Range<Int>, _ bytes: UnsafeRawPointer, _ scale: Float
    ) {
        let groups = (rows.count + Self.groupRows - 1) / Self.groupRows
        let (columns, x, y) = (product.columns, product.x, product.y + rows.lowerBound)
        switch product.layout {
        case .q4: kernels.gemv_q4(bytes.as(UInt8.self), groups, columns, scale, product.quantized, y)
        case .q8: kernels.gemv_q8(bytes.as(UInt8.self), groups, columns, scale, product.wide, y)
        case .f32: kernels.gemv_f32(bytes.as(Float.self), rows.count, columns, x, y)
        case .f16: kernels.gemv_f16(bytes.as(UInt16.self), rows.count, columns, x, y)
        case .bf16: kernels.gemv_bf16(bytes.as(UInt16.self), rows.count, columns, x, y)
        }
    }

    private func multiplyMatrix(
        _ product: WeightProduct, _ rows: Range<Int>, _ bytes: UnsafeRawPointer, _ scale: Float,
        _ scratch: WorkerScratch
    ) {
        let groups = (rows.count + Self.groupRows - 1) / Self.groupRows
        let (columns, tokens) = (product.columns, product.tokens)
        let (x, stride, y, resultStride) = (
            product.x, product.stride, product.y + rows.lowerBound, product.resultStride
        )
        switch product.layout {
        case .q4:
            kernels.gemm_q4(bytes.as(UInt8.self), groups, columns, scale, product.quantized, tokens, y, resultStride)
        case .q8:
            kernels.gemm_q8(bytes.as(UInt8.self), groups, columns, scale, product.wide, tokens, y, resultStride)
        case .f32:
            kernels.gemm_f32(bytes.as(Float.self), rows.count, columns, x, stride, tokens, y, resultStride)
        case .f16, .bf16:
            let halves = bytes.as(UInt16.self)
            let isF16 = product.layout == .f16
            guard tokens > Self.widenedTokens else {
                if isF16 {
                    kernels.gemm_f16(halves, rows.count, columns, x, stride, tokens, y, resultStride)
                } else {
                    kernels.gemm_bf16(halves, rows.count, columns, x, stride, tokens, y, resultStride)
                }
                return
            }
            let weights = scratch.floats.reserve(rows.count * columns)
            if isF16 {
                kernels.f16_to_f32(halves, weights, rows.count * columns)
            } else {
                kernels.bf16_to_f32(halves, weights, rows.count * columns)
            }
            kernels.gemm_f32(weights, rows.count, columns, x, stride, tokens, y, resultStride)
        }
    }

    /// More tokens than this share the widening of halves to float32; for fewer they are widened in registers. The bits
    /// are the same.
    private static let widenedTokens = 12

    /// result[row] = row `index` of a matrix for each of `rows`: the embedding of tokens.
    package func lookUp(_ rows: [(row: Int, index: Int)], in matrix: WeightMatrix, into result: Matrix) throws {
        // Tokens whose rows share a tile follow one another, so that a compressed tile is decoded once for them all.
        let order = rows.sorted { ($0.index, $0.row) < ($1.index, $1.row) }
        var runs: [Range<Int>] = []
        var start = 0
        for next in 1..<order.count + 1 {
            if next < order.count, matrix.tile(ofRow: order[next].index) == matrix.tile(ofRow: order[next - 1].index) {
                continue
            }
            runs.append(start..<next)
            start = next
        }
        try forEachRange(of: runs.count) { range, scratch in
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
        case .q4: kernels.row_q4(bytes.as(UInt8.self), rowOfGroup, columns, scale, result)
        case .q8: kernels.row_q8(bytes.as(UInt8.self), rowOfGroup, columns, scale, result)
        case .f32: result.update(from: bytes.as(Float.self), count: columns)
        case .f16: kernels.f16_to_f32(bytes.as(UInt16.self), result, columns)
        case .bf16: kernels.bf16_to_f32(bytes.as(UInt16.self), result, columns)
        }
    }
}

/// One matrix of a projection with what it is multiplied by: numbers and pointers only.
private struct WeightProduct {
    let layout: WeightMatrix.Layout
    let columns: Int
    let tokens: Int
    /// [tokens, columns], rows `stride` apart.
    let x: UnsafePointer<Float>
    let stride: Int
    /// The same as integers, for weights that need them.
    let quantized: pvit_activations
    let wide: pvit_wide_activations
    /// [tokens, rows of the matrix], rows `resultStride` apart.
    let y: UnsafeMutablePointer<Float>
    let resultStride: Int

    init(of matrix: WeightMatrix, _ input: Matrix, into output: Matrix) {
        layout = matrix.layout
        columns = matrix.columns
        tokens = input.rows
        x = UnsafePointer(input.start)
        stride = input.stride
        quantized = layout == .q4 ? input.activations : pvit_activations()
        wide = layout == .q8 ? input.wideActivations : pvit_wide_activations()
        y = output.start
        resultStride = output.stride
    }
}

extension UnsafeRawPointer {
    fileprivate func `as`<Value>(_ type: Value.Type) -> UnsafePointer<Value> { assumingMemoryBound(to: type) }
}
