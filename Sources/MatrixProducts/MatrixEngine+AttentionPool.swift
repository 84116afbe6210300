import CKernels

extension MatrixEngine {
    /// Attention of one query in each sequence, whose keys and values are projections of the same tokens: what `attend`
    /// gives for the keys `tokens keyᵀ + b`, whatever `b` is, and the values `tokens valueᵀ + bias`.
    ///
    /// Neither is computed. Where K and V are a head's rows of `key` and `value`, a score is q·(K t + b) = (Kᵀ q)·t +
    /// q·b, in which q·b is the same for all tokens and so without effect on softmax; and the weighted sum of V t +
    /// bias is V times the weighted sum of tokens, plus bias. Each weight is thus used once for a sequence instead of
    /// once for a token.
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
    public func attend(
        query: FloatMatrix, tokens: FloatMatrix, key: StoredMatrix, value: StoredMatrix, bias: FloatMatrix, heads: Int,
        into result: FloatMatrix
    ) throws {
        let (sequences, depth, width) = (query.rows, tokens.columns, query.columns / heads)
        guard sequences > 0 else { return }
        precondition(width % 16 == 0 && key.outputs == heads * width && value.outputs == heads * width)
        precondition(key.depth == depth && value.depth == depth && tokens.rows % sequences == 0)
        let questions = FloatMatrix(rows: sequences * heads, columns: depth)
        try forEach(heads) { head, memory in
            try project(query, back: key, rows: head * width..<(head + 1) * width, memory) {
                questions.row($0 * heads + head)
            }
        }
        let answers = FloatMatrix(rows: sequences * heads, columns: depth)
        try attend(
            query: questions, key: tokens, value: tokens, positions: tokens.rows / sequences, heads: 1,
            scale: 1 / Float(width).squareRoot(), into: answers)
        try forEach(heads) { head, memory in
            // Every heads-th row, as a convolution with such steps would take them.
            let rows = answers.rows(head..<answers.rows)
            let ofHead = Patches(
                FeatureMaps(count: 1, height: 1, width: rows.rows, pixels: rows), kernel: 1, step: heads, padding: 0)
            try multiply(
                ofHead, value, rows: head * width..<(head + 1) * width, Epilogue(shift: bias), into: result, memory)
        }
    }

    /// Writes Σ x[row] weights[row] over some rows, for each row of `x`, to where `target` says: `[depth]`.
    private func project(
        _ x: FloatMatrix, back weights: StoredMatrix, rows: Range<Int>, _ memory: WorkerMemory,
        to target: (Int) -> UnsafeMutablePointer<Float>
    ) throws {
        let wide = memory.groups.grow(to: rows.count * weights.depth)
        try weights.widen(rows, into: wide, stride: weights.depth, kernels, memory)
        let pointers: [UnsafePointer<Float>?] = (0..<rows.count).map { UnsafePointer(wide + $0 * weights.depth) }
        for row in 0..<x.rows {
            kernels.weightedSum(pointers, x.row(row) + rows.lowerBound, rows.count, weights.depth, target(row))
        }
    }
}
