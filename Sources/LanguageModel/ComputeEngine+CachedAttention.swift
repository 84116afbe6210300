import CKernels
import Compute

/// Rotary embedding and attention over a KV cache. All loops go over tokens or heads, whose results do not depend on
/// one another.
extension ComputeEngine {
    /// The cosines and sines of the positions of a pass: `[tokens, width]`, half of each row cosines.
    func rotaryAngles(_ rotary: RotaryEmbedding, _ pass: LlamaPass, into angles: Matrix) throws {
        let half = rotary.frequencies.count
        angles.rows = pass.rows.count
        try forEachRange(of: angles.rows, operations: 200 * half) { rows, _ in
            for row in rows {
                rotary.angles(at: pass.rows[row].cachePosition, cosines: angles.row(row), sines: angles.row(row) + half)
            }
        }
    }

    /// Rotates every head of queries `[tokens, heads * headWidth]`.
    func rotate(_ query: Matrix, angles: Matrix, headWidth: Int) throws {
        try forEachRange(of: query.rows, operations: 4 * query.columns) { rows, _ in
            for row in rows {
                let cosines = angles.row(row)
                kernels.rope(query.row(row), query.columns / headWidth, headWidth, cosines, cosines + headWidth / 2)
            }
        }
    }

    /// Rotates every head of keys `[tokens, key/value heads * width]`, and writes keys and values into a layer of the
    /// caches.
    func rotateAndStore(
        key: Matrix, value: Matrix, angles: Matrix, layer: Int, _ pass: LlamaPass
    ) throws {
        try forEachRange(of: key.rows, operations: 8 * key.columns) { rows, _ in
            for row in rows {
                let cache = pass.segments[pass.rows[row].segment].cache
                let position = pass.rows[row].cachePosition
                let (width, storage) = (cache.headWidth, cache.storage.code)
                let cosines = angles.row(row)
                kernels.rope(key.row(row), cache.headCount, width, cosines, cosines + width / 2)
                for head in 0..<cache.headCount {
                    kernels.store_key(
                        key.row(row) + head * width, width, storage, cache.keys(layer: layer, head: head), position)
                    kernels.store_value(
                        value.row(row) + head * width, width, storage, cache.values(layer: layer, head: head), position)
                }
            }
        }
    }

    /// Causal attention of the positions of a pass, each over those of its own sequence up to itself:
    /// result = softmax(query keysᵀ / sqrt(width)) values, `[tokens, heads * width]`.
    ///
    /// Each task takes one key/value head and some tokens of a sequence, whose queries visit each block of positions
    /// together.
    func attend(
        query: Matrix, layer: Int, _ pass: LlamaPass, into result: Matrix
    ) throws {
        result.rows = query.rows
        guard let cache = pass.segments.first?.cache else { return }
        let (width, heads) = (cache.headWidth, cache.headCount)
        let queriesPerHead = query.columns / width / heads
        let scale = 1 / Float(width).squareRoot()
        let blocks = pass.blocks(of: max(Self.queriesPerTask / queriesPerHead, 1))
        let seen = blocks.reduce(0) { $0 + $1.rows.count * ($1.firstPosition + $1.rows.count) }
        let operations = seen * queriesPerHead * width / blocks.count
        try forEachRange(of: blocks.count * heads, operations: operations) { range, scratch in
            for task in range {
                let (block, head) = (blocks[task / heads], task % heads)
                let (rows, cache) = (block.rows, pass.segments[block.segment].cache)
                let memory = scratch.floats.reserve(pvit_attention_scratch(rows.count * queriesPerHead, width))
                let offset = head * queriesPerHead * width
                kernels.attend(
                    query.row(rows.lowerBound) + offset, rows.count, queriesPerHead, query.stride,
                    cache.keys(layer: layer, head: head), cache.values(layer: layer, head: head), cache.storage.code,
                    width, block.firstPosition + 1, scale, memory, result.row(rows.lowerBound) + offset)
            }
        }
    }

    /// A multiple of what kernels take together; more would not stay in the second-level cache.
    private static let queriesPerTask = 48
}
