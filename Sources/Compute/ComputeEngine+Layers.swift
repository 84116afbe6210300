import CKernels

/// The operations of layers that are not matrix products.
extension ComputeEngine {
    /// result = weight * x / sqrt(mean(x²) + epsilon) for each row: `[tokens, columns]`.
    ///
    /// - Parameter weight: `[1, columns]`.
    package func rmsNorm(_ x: Matrix, weight: Matrix, epsilon: Float, into result: Matrix) throws {
        precondition(weight.columns == x.columns && result.columns == x.columns)
        result.rows = x.rows
        try forEachRange(of: x.rows, operations: 4 * x.columns) { rows, _ in
            for row in rows { kernels.rms_norm(x.row(row), weight.start, x.columns, epsilon, result.row(row)) }
        }
    }

    /// gate = silu(gate) * up: `[tokens, columns]`.
    package func swiglu(_ gate: Matrix, _ up: Matrix) throws {
        try forEachRange(of: gate.rows, operations: 16 * gate.columns) { rows, _ in
            for row in rows { kernels.swiglu(gate.row(row), up.row(row), gate.columns, gate.row(row)) }
        }
    }

    /// x += y: `[tokens, columns]`.
    package func add(_ y: Matrix, to x: Matrix) throws {
        try forEachRange(of: x.rows, operations: 2 * x.columns) { rows, _ in
            for row in rows { kernels.add(x.row(row), y.row(row), x.columns) }
        }
    }

    /// result = (x - mean) / sqrt(variance + epsilon) * weight + bias for each row. `result` may be `x`.
    package func layerNorm(
        _ x: Matrix, weight: Matrix, bias: Matrix, epsilon: Float, into result: Matrix
    ) throws {
        precondition(result.rows == x.rows && result.columns == x.columns)
        try forEachRange(of: x.rows, operations: 8 * x.columns) { rows, _ in
            for row in rows {
                kernels.layer_norm(x.row(row), weight.start, bias.start, x.columns, epsilon, result.row(row))
            }
        }
    }

    /// The mean of each 2 × 2 pixels; a last odd row or column is left out.
    ///
    /// - Parameter pool: Where the result's memory is taken from.
    package func averagePool(_ maps: FeatureMaps, pool: MatrixPool? = nil) throws -> FeatureMaps {
        let result = FeatureMaps(
            count: maps.count, height: maps.height / 2, width: maps.width / 2, channels: maps.channels, pool: pool)
        let rowCount = result.count * result.height
        let quarters = [Float](repeating: 0.25, count: 4)
        try forEachRange(of: rowCount, operations: 8 * result.width * result.channels) { rows, _ in
            for index in rows {
                let (map, row) = index.quotientAndRemainder(dividingBy: result.height)
                for column in 0..<result.width {
                    let corners: [UnsafePointer<Float>?] = [
                        UnsafePointer(maps.pixel(map: map, row: 2 * row, column: 2 * column)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row, column: 2 * column + 1)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row + 1, column: 2 * column)),
                        UnsafePointer(maps.pixel(map: map, row: 2 * row + 1, column: 2 * column + 1)),
                    ]
                    kernels.weighted_sum(
                        corners, quarters, 4, maps.channels, result.pixel(map: map, row: row, column: column))
                }
            }
        }
        return result
    }

    /// result = Σ weights[i] rows[i] over `count` numbers, added in order.
    package func weightedSum(
        _ rows: [UnsafePointer<Float>?], _ weights: [Float], count: Int, into result: UnsafeMutablePointer<Float>
    ) {
        precondition(rows.count == weights.count)
        kernels.weighted_sum(rows, weights, rows.count, count, result)
    }
}
