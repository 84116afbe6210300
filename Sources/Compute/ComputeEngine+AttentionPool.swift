import CKernels

extension ComputeEngine {
    /// Attention with one query for each sequence, where keys and values are projections of the same tokens. The result
    /// is that of `attend` for the keys `tokens keyᵀ + b`, with any `b`, and the values `tokens valueᵀ + bias`.
    ///
    /// Neither keys nor values are computed. Let K and V be a head's rows of `key` and `value`. A score is q·(K t + b)
    /// = (Kᵀ q)·t + q·b; q·b is the same for all tokens and has no effect on softmax. The weighted sum of V t + bias is
    /// V times the weighted sum of the tokens, plus bias. So each weight is used once for a sequence and not once for
    /// each token.
    ///
    /// - Parameters:
    ///   - query: `[sequences, heads * width]`.
    ///   - tokens: `[sequences * positions, depth]`.
    ///   - key: `[heads * width, depth]`, width a multiple of 16.
    ///   - value: `[heads * width, depth]`.
    ///   - bias: `[1, heads * width]`.
    ///   - heads: The number of heads.
    ///   - result: `[sequences, heads * width]`.
    /// - Throws: The errors of reading tiles.
    package func attend(
        query: Matrix, tokens: Matrix, key: WeightMatrix, value: WeightMatrix, bias: Matrix, heads: Int,
        into result: Matrix
    ) throws {
        let (sequences, depth, width) = (query.rows, tokens.columns, query.columns / heads)
        guard sequences > 0 else { return }
        precondition(width % 16 == 0 && key.rows == heads * width && value.rows == heads * width)
        precondition(key.columns == depth && value.columns == depth && tokens.rows % sequences == 0)
        let headQueries = Matrix(rows: sequences * heads, columns: depth)
        try forEachTask(heads) { head, scratch in
            try project(query, back: key, rows: head * width..<(head + 1) * width, scratch) {
                headQueries.row($0 * heads + head)
            }
        }
        let headResults = Matrix(rows: sequences * heads, columns: depth)
        try attend(
            query: headQueries, key: tokens, value: tokens, positions: tokens.rows / sequences, heads: 1,
            scale: 1 / Float(width).squareRoot(), into: headResults)
        try forEachTask(heads) { head, scratch in
            // Every heads-th row, as a convolution with this stride takes them.
            let rows = headResults.slice(head..<headResults.rows)
            let ofHead = Im2Col(
                FeatureMaps(count: 1, height: 1, width: rows.rows, pixels: rows), kernel: 1, stride: heads, padding: 0)
            try multiply(
                ofHead, value, rows: head * width..<(head + 1) * width, Epilogue(shift: bias), into: result, scratch)
        }
    }

    /// For each row of `x`, writes Σ x[row] weights[row] over some rows of weights to `target(row)`: `[depth]`.
    private func project(
        _ x: Matrix, back weights: WeightMatrix, rows: Range<Int>, _ scratch: WorkerScratch,
        to target: (Int) -> UnsafeMutablePointer<Float>
    ) throws {
        let wide = scratch.packedWeights.reserve(rows.count * weights.columns)
        try weights.widen(rows, into: wide, stride: weights.columns, kernels, scratch)
        let pointers: [UnsafePointer<Float>?] = (0..<rows.count).map { UnsafePointer(wide + $0 * weights.columns) }
        for row in 0..<x.rows {
            kernels.weighted_sum(pointers, x.row(row) + rows.lowerBound, rows.count, weights.columns, target(row))
        }
    }
}
