import CKernels

/// The parts of vision models that are no matrix products.
extension MatrixEngine {
    /// result = (x - mean) / sqrt(variance + epsilon) * weight + bias for each row. `result` may be `x`.
    public func layerNorm(
        _ x: FloatMatrix, weight: FloatMatrix, bias: FloatMatrix, epsilon: Float, into result: FloatMatrix
    ) throws {
        precondition(result.rows == x.rows && result.columns == x.columns)
        try forEachPart(of: x.rows) { rows in
            for row in rows {
                kernels.layerNorm(x.row(row), weight.start, bias.start, x.columns, epsilon, result.row(row))
            }
        }
    }

    /// The mean of each 2 × 2 pixels; a last odd row or column is left out.
    ///
    /// - Parameter pool: Where the result's memory is taken from.
    public func averagePool(_ maps: FeatureMaps, pool: MatrixPool? = nil) throws -> FeatureMaps {
        let result = FeatureMaps(
            count: maps.count, height: maps.height / 2, width: maps.width / 2, channels: maps.channels, pool: pool)
        let quarters = [Float](repeating: 0.25, count: 4)
        try forEachPart(of: result.count * result.height) { rows in
            for place in rows {
                let (map, row) = (place / result.height, place % result.height)
                for column in 0..<result.width {
                    let corners: [UnsafePointer<Float>?] = [
                        UnsafePointer(maps.pixel(map: map, row: 2 * row, column: 2 * column)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row, column: 2 * column + 1)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row + 1, column: 2 * column)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row + 1, column: 2 * column + 1)),
                    ]
                    kernels.weightedSum(
                        corners, quarters, 4, maps.channels, result.pixel(map: map, row: row, column: column))
                }
            }
        }
        return result
    }

    /// result = Σ weights[i] rows[i] over `count` numbers, added in order.
    public func weightedSum(
        _ rows: [UnsafePointer<Float>?], _ weights: [Float], count: Int, into result: UnsafeMutablePointer<Float>
    ) {
        precondition(rows.count == weights.count)
        kernels.weightedSum(rows, weights, rows.count, count, result)
    }
}
