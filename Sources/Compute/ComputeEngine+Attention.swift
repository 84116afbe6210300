import CKernels

extension ComputeEngine {
    /// Attention of every query to every key (arXiv 1706.03762, section 3.2), head by head:
    /// result = softmax(scale query keyᵀ) value.
    ///
    /// Sequences of `positions` keys follow one another, each with as many queries as `query` has rows for it. Heads
    /// are neighbouring columns of equal width. The scores of at most 96 queries exist at a time in each thread.
    ///
    /// - Parameters:
    ///   - query: `[sequences * queries, heads * width]`.
    ///   - key: `[sequences * positions, heads * width]`.
    ///   - value: `[sequences * positions, heads * width]`.
    ///   - positions: Keys of each sequence.
    ///   - heads: The number of heads.
    ///   - scale: What scores are multiplied by; 1 / sqrt(width) when nil.
    ///   - result: `[sequences * queries, heads * width]`.
    package func attend(
        query: Matrix, key: Matrix, value: Matrix, positions: Int, heads: Int, scale: Float? = nil,
        into result: Matrix
    ) throws {
        let width = query.columns / heads
        let scale = scale ?? 1 / Float(width).squareRoot()
        let sequences = key.rows / positions
        let queries = query.rows / sequences
        let ranges = EvenRanges(of: queries, atMost: Int(PVIT_PANEL_ROWS), multipleOf: 12)
        try forEachTask(sequences * heads * ranges.count) { task, scratch in
            let (sequence, head) = (task / ranges.count / heads, task / ranges.count % heads)
            let range = ranges[task % ranges.count]
            let rows = sequence * queries + range.lowerBound..<sequence * queries + range.upperBound
            attend(
                query.slice(rows), key.slice(sequence * positions..<(sequence + 1) * positions),
                value.slice(sequence * positions..<(sequence + 1) * positions), head: head,
                width: width, scale: scale, into: result.slice(rows), scratch)
        }
    }

    /// Some queries of one head.
    private func attend(
        _ query: Matrix, _ key: Matrix, _ value: Matrix, head: Int, width: Int, scale: Float,
        into result: Matrix, _ scratch: WorkerScratch
    ) {
        let positions = key.rows
        let scoreStride = (positions + 15) / 16 * 16
        let keys = packKeys(key, head: head, width: width, scratch)
        let values = packValues(value, head: head, width: width, scratch)
        let panel = scratch.panelStart()
        let scores = scratch.scores.reserve(query.rows * scoreStride)

        for (number, columns) in EvenRanges(of: width, atMost: Int(PVIT_PANEL_DEPTH)).enumerated() {
            copy(query.start + head * width, query.stride, query.rows, columns, into: panel)
            kernels.multiply_panel(
                panel, query.rows, columns.count, keys + columns.lowerBound * 16, scoreStride / 16,
                width * 16, number == 0 ? 0 : 1, scores, scoreStride)
        }
        for row in 0..<query.rows {
            kernels.softmax(scores + row * scoreStride, positions, scale)
        }
        let stride = Int(PVIT_PANEL_STRIDE)
        let sums = scratch.sums.reserve(query.rows * stride)
        for groups in EvenRanges(of: (width + 15) / 16, atMost: Int(PVIT_PANEL_DEPTH) / 16) {
            for (number, columns) in EvenRanges(of: positions, atMost: Int(PVIT_PANEL_DEPTH)).enumerated() {
                copy(scores, scoreStride, query.rows, columns, into: panel)
                kernels.multiply_panel(
                    panel, query.rows, columns.count,
                    values + (groups.lowerBound * positions + columns.lowerBound) * 16, groups.count, positions * 16,
                    number == 0 ? 0 : 1, sums, stride)
            }
            let first = groups.lowerBound * 16
            let count = min(groups.count * 16, width - first)
            for row in 0..<query.rows {
                (result.row(row) + head * width + first).update(from: sums + row * stride, count: count)
            }
        }
    }

    /// A head's keys as groups of 16 positions: `[groups, width, 16]`.
    private func packKeys(
        _ key: Matrix, head: Int, width: Int, _ scratch: WorkerScratch
    ) -> UnsafePointer<Float> {
        let result = scratch.keys.reserve((key.rows + 15) / 16 * 16 * width)
        for first in stride(from: 0, to: key.rows, by: 16) {
            let count = min(16, key.rows - first)
            let group = result + first * width
            if count < 16 { group.update(repeating: 0, count: 16 * width) }
            kernels.pack_rows(key.row(first) + head * width, PVIT_FLOAT_F32, count, width, key.stride, 1, 0, group)
        }
        return UnsafePointer(result)
    }

    /// A head's values as groups of 16 channels: `[groups, positions, 16]`.
    private func packValues(
        _ value: Matrix, head: Int, width: Int, _ scratch: WorkerScratch
    ) -> UnsafePointer<Float> {
        let result = scratch.values.reserve((width + 15) / 16 * 16 * value.rows)
        for channel in stride(from: 0, to: width, by: 16) {
            let count = min(16, width - channel)
            for row in 0..<value.rows {
                let lanes = result + (channel * value.rows + row * 16)
                lanes.update(from: value.row(row) + head * width + channel, count: count)
                if count < 16 { (lanes + count).update(repeating: 0, count: 16 - count) }
            }
        }
        return UnsafePointer(result)
    }

    /// Copies columns of rows that are `stride` numbers apart into a panel.
    private func copy(
        _ start: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Range<Int>,
        into panel: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            (panel + row * Int(PVIT_PANEL_STRIDE)).update(
                from: start + row * stride + columns.lowerBound, count: columns.count)
        }
    }
}
