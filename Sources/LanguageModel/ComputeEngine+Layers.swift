import CKernels
import Tensors

/// The parts of a decoder layer that are no matrix products. All loops go over tokens or heads, whose results do not depend
/// on one another.
extension ComputeEngine {
    /// result = weight * x / sqrt(mean(x²) + epsilon) for each row: `[tokens, columns]`.
    func rmsNorm(_ x: ActivationMatrix, _ weight: [Float], epsilon: Float, into result: ActivationMatrix) throws {
        result.rows = x.rows
        try weight.withUnsafeBufferPointer { weight in
            try forEach(x.rows, operations: 4 * x.columns) { rows, _ in
                for row in rows {
                    kernels.rmsNorm(x.row(row), weight.baseAddress, x.columns, epsilon, result.row(row))
                }
            }
        }
    }

    /// gate = silu(gate) * up: `[tokens, columns]`.
    func swiglu(_ gate: ActivationMatrix, _ up: ActivationMatrix) throws {
        try forEach(gate.rows, operations: 16 * gate.columns) { rows, _ in
            for row in rows { kernels.swiglu(gate.row(row), up.row(row), gate.columns, gate.row(row)) }
        }
    }

    /// x += y: `[tokens, columns]`.
    func add(_ y: ActivationMatrix, to x: ActivationMatrix) throws {
        try forEach(x.rows, operations: 2 * x.columns) { rows, _ in
            for row in rows { kernels.add(x.row(row), y.row(row), x.columns) }
        }
    }

    /// The cosines and sines of positions `first..<first + rows`: `[tokens, width]`, half of each row cosines.
    func rotaryAngles(_ rotary: RotaryEmbedding, from first: Int, into angles: ActivationMatrix) throws {
        let half = rotary.frequencies.count
        try forEach(angles.rows, operations: 200 * half) { rows, _ in
            for row in rows {
                rotary.angles(at: first + row, cosines: angles.row(row), sines: angles.row(row) + half)
            }
        }
    }

    /// Rotates every head of queries `[tokens, heads * width]` and keys, and appends keys and values
    /// `[tokens, key/value heads * width]` to a layer of the cache.
    func rotateAndStore(
        query: ActivationMatrix, key: ActivationMatrix, value: ActivationMatrix, angles: ActivationMatrix,
        layer: Int, cache: borrowing KVCache
    ) throws {
        let (width, heads, first) = (cache.headWidth, cache.headCount, cache.count)
        let storage = cache.storage.code
        let rowBytes = cache.rowBytes
        let keys = (0..<heads).map { cache.keys(layer: layer, head: $0) + first * rowBytes }
        let values = (0..<heads).map { cache.values(layer: layer, head: $0) + first * rowBytes }
        try forEach(query.rows, operations: 4 * (query.columns + 2 * key.columns)) { rows, _ in
            for row in rows {
                let cosines = angles.row(row)
                let sines = cosines + width / 2
                kernels.rope(query.row(row), query.columns / width, width, cosines, sines)
                kernels.rope(key.row(row), heads, width, cosines, sines)
                for head in 0..<heads {
                    kernels.storeKeyValue(key.row(row) + head * width, width, storage, keys[head] + row * rowBytes)
                    kernels.storeKeyValue(value.row(row) + head * width, width, storage, values[head] + row * rowBytes)
                }
            }
        }
    }

    /// Causal attention of the newest positions over all up to their own:
    /// result = softmax(query keysᵀ / sqrt(width)) values, `[tokens, heads * width]`.
    ///
    /// Each task takes one key/value head and some tokens, and needs scores for one of these tokens at a time.
    func attend(
        query: ActivationMatrix, layer: Int, cache: borrowing KVCache, into result: ActivationMatrix
    ) throws {
        result.rows = query.rows
        let (width, heads, first) = (cache.headWidth, cache.headCount, cache.count)
        let storage = cache.storage.code
        let keys = (0..<heads).map { cache.keys(layer: layer, head: $0) }
        let values = (0..<heads).map { cache.values(layer: layer, head: $0) }
        let queriesPerHead = query.columns / width / heads
        let scale = 1 / Float(width).squareRoot()
        let tokensPerTask = 8
        let tasks = (query.rows + tokensPerTask - 1) / tokensPerTask * heads
        let operations = min(query.rows, tokensPerTask) * queriesPerHead * (first + query.rows) * width
        try forEach(tasks, operations: operations) { range, scratch in
            let scores = scratch.floats(queriesPerHead * (first + query.rows))
            for task in range {
                let head = task % heads
                let token = task / heads * tokensPerTask
                for row in token..<min(token + tokensPerTask, query.rows) {
                    let offset = head * queriesPerHead * width
                    kernels.attend(
                        query.row(row) + offset, queriesPerHead, width, keys[head], values[head], storage, width,
                        first + row + 1, scale, scores, result.row(row) + offset, width)
                }
            }
        }
    }
}
