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
        let products = zip(projection.matrices, outputs).map { WeightProduct(of: $0, input, into: $1, kernels) }
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
        let (narrow, wide) = (projection.needsQuantizedInput, projection.needsWideInput)
        guard narrow || wide else { return }
        // The memory is allocated before the threads write to it.
        if input.isPackedForProducts {
            let packed = narrow ? input.packedActivations(kernels) : nil
            let packedWide = wide ? input.packedWideActivations(kernels) : nil
            try forEachRange(of: input.rows, operations: 8 * input.columns) { rows, _ in
                for row in rows {
                    if let packed { input.pack(row: row, into: packed, kernels) }
                    if let packedWide { input.packWide(row: row, into: packedWide, kernels) }
                }
            }
        } else {
            if narrow { _ = input.activations }
            if wide { _ = input.wideActivations }
            try forEachRange(of: input.rows, operations: 8 * input.columns) { rows, _ in
                for row in rows {
                    if narrow { input.quantize(row: row, kernels) }
                    if wide { input.quantizeWide(row: row, kernels) }
                }
            }
        }
    }

    /// Multiplies by `rows` of a matrix, whose bytes begin at `bytes`.
    private func multiply(
        _ product: WeightProduct, _ rows: Range<Int>, _ bytes: UnsafeRawPointer, _ scale: Float,
        _ scratch: WorkerScratch
    ) {
        let groups = (rows.count + Self.groupRows - 1) / Self.groupRows
        let (columns, tokens) = (product.columns, product.tokens)
        let (y, stride) = (product.y + rows.lowerBound, product.resultStride)
        let codes = bytes.as(UInt8.self)
        switch product.layout {
        case .q4:
            if let packed = product.packed {
                kernels.gemm_q4(codes, groups, columns, scale, packed, tokens, y, stride)
            } else {
                kernels.gemv_q4(codes, groups, columns, scale, product.quantized, tokens, y, stride)
            }
        case .q8:
            if let packed = product.packed {
                kernels.gemm_q8(codes, groups, columns, scale, packed, tokens, y, stride)
            } else {
                kernels.gemv_q8(codes, groups, columns, scale, product.wide, tokens, y, stride)
            }
        case .f32:
            let weights = bytes.as(Float.self)
            if tokens == 1 {
                kernels.gemv_f32(weights, rows.count, columns, product.x, y)
            } else {
                kernels.gemm_f32(weights, rows.count, columns, product.x, product.stride, tokens, y, stride)
            }
        case .f16:
            multiplyHalves(
                product, rows, bytes.as(UInt16.self), scratch, kernels.gemv_f16, kernels.gemm_f16, kernels.f16_to_f32)
        case .bf16:
            multiplyHalves(
                product, rows, bytes.as(UInt16.self), scratch, kernels.gemv_bf16, kernels.gemm_bf16,
                kernels.bf16_to_f32)
        }
    }

    /// Multiplies by 16-bit floats, with the kernels for their type.
    private func multiplyHalves(
        _ product: WeightProduct, _ rows: Range<Int>, _ halves: UnsafePointer<UInt16>, _ scratch: WorkerScratch,
        _ gemv: VectorProduct, _ gemm: MatrixProduct, _ widen: Widening
    ) {
        let (columns, tokens, x) = (product.columns, product.tokens, product.x)
        let (y, stride) = (product.y + rows.lowerBound, product.resultStride)
        if tokens == 1 {
            gemv(halves, rows.count, columns, x, y)
        } else if tokens <= Self.widenedTokens {
            gemm(halves, rows.count, columns, x, product.stride, tokens, y, stride)
        } else {
            let weights = scratch.floats.reserve(rows.count * columns)
            widen(halves, weights, rows.count * columns)
            kernels.gemm_f32(weights, rows.count, columns, x, product.stride, tokens, y, stride)
        }
    }

    private typealias VectorProduct =
        @convention(c) (
            UnsafePointer<UInt16>?, Int, Int, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?
        ) -> Void
    private typealias MatrixProduct =
        @convention(c) (
            UnsafePointer<UInt16>?, Int, Int, UnsafePointer<Float>?, Int, Int, UnsafeMutablePointer<Float>?, Int
        ) -> Void
    private typealias Widening = @convention(c) (UnsafePointer<UInt16>?, UnsafeMutablePointer<Float>?, Int) -> Void

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
    /// The same as integers, for weights that need them: a few tokens as they are, more of them packed.
    let quantized: pvit_activations
    let wide: pvit_wide_activations
    let packed: UnsafeRawPointer?
    /// [tokens, rows of the matrix], rows `resultStride` apart.
    let y: UnsafeMutablePointer<Float>
    let resultStride: Int

    init(of matrix: WeightMatrix, _ input: Matrix, into output: Matrix, _ kernels: pvit_kernels) {
        layout = matrix.layout
        columns = matrix.columns
        tokens = input.rows
        x = UnsafePointer(input.start)
        stride = input.stride
        let isPacked = input.isPackedForProducts
        quantized = layout == .q4 && !isPacked ? input.activations : pvit_activations()
        wide = layout == .q8 && !isPacked ? input.wideActivations : pvit_wide_activations()
        packed =
            switch layout {
            case .q4 where isPacked: UnsafeRawPointer(input.packedActivations(kernels))
            case .q8 where isPacked: UnsafeRawPointer(input.packedWideActivations(kernels))
            default: nil
            }
        y = output.start
        resultStride = output.stride
    }
}

extension UnsafeRawPointer {
    fileprivate func `as`<Value>(_ type: Value.Type) -> UnsafePointer<Value> { assumingMemoryBound(to: type) }
}
