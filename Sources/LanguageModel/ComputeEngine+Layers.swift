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

    /// Rotates every head of queries `[tokens, heads * headWidth]`.
    func rotate(_ query: ActivationMatrix, angles: ActivationMatrix, headWidth: Int) throws {
        try forEach(query.rows, operations: 4 * query.columns) { rows, _ in
            for row in rows {
                let cosines = angles.row(row)
                kernels.rope(query.row(row), query.columns / headWidth, headWidth, cosines, cosines + headWidth / 2)
            }
        }
    }

    /// Rotates every head of keys `[tokens, key/value heads * width]`, and appends keys and values to a layer of the cache.
    func rotateAndStore(
        key: ActivationMatrix, value: ActivationMatrix, angles: ActivationMatrix, layer: Int, cache: borrowing KVCache
    ) throws {
        let (width, heads, first) = (cache.headWidth, cache.headCount, cache.count)
        let storage = cache.storage.code
        let rowBytes = cache.rowBytes
        let keys = (0..<heads).map { cache.keys(layer: layer, head: $0) }
        let values = (0..<heads).map { cache.values(layer: layer, head: $0) }
        let groupRows = Int(PVIT_KEY_GROUP)
        try forEach(key.rows, operations: 8 * key.columns) { rows, _ in
            for row in rows {
                let cosines = angles.row(row)
                kernels.rope(key.row(row), heads, width, cosines, cosines + width / 2)
                for head in 0..<heads {
                    let (group, place) = (first + row).quotientAndRemainder(dividingBy: groupRows)
                    kernels.storeKey(
                        key.row(row) + head * width, width, storage, keys[head] + group * groupRows * rowBytes, place)
                    kernels.storeValue(
                        value.row(row) + head * width, width, storage, values[head] + (first + row) * rowBytes)
                }
            }
        }
    }

    /// Causal attention of the positions from `first` on over all up to their own:
    /// result = softmax(query keysᵀ / sqrt(width)) values, `[tokens, heads * width]`.
    ///
    /// Each task takes one key/value head and some tokens, whose queries visit each block of positions together.
    func attend(
        query: ActivationMatrix, from first: Int, layer: Int, cache: borrowing KVCache, into result: ActivationMatrix
    ) throws {
        result.rows = query.rows
        let (width, heads) = (cache.headWidth, cache.headCount)
        let storage = cache.storage.code
        let keys = (0..<heads).map { cache.keys(layer: layer, head: $0) }
        let values = (0..<heads).map { cache.values(layer: layer, head: $0) }
        let queriesPerHead = query.columns / width / heads
        let scale = 1 / Float(width).squareRoot()
        let tokensPerTask = max(Self.queriesPerTask / queriesPerHead, 1)
        let blocks = (query.rows + tokensPerTask - 1) / tokensPerTask
        let queries = min(query.rows, tokensPerTask) * queriesPerHead
        let operations = queries * (first + query.rows) * width
        try forEach(blocks * heads, operations: operations) { range, scratch in
            let memory = scratch.floats(pvit_attention_scratch(queries, width))
            for task in range {
                // The last tokens see most positions: they go first, so that threads end at about the same time.
                let head = task % heads
                let token = (blocks - 1 - task / heads) * tokensPerTask
                let offset = head * queriesPerHead * width
                kernels.attend(
                    query.row(token) + offset, min(tokensPerTask, query.rows - token), queriesPerHead, query.stride,
                    keys[head], values[head], storage, width, first + token + 1, scale, memory,
                    result.row(token) + offset)
            }
        }
    }

    /// A multiple of what kernels take together; more would not stay in the second-level cache.
    private static let queriesPerTask = 48
}
