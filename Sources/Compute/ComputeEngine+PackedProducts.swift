import CKernels

extension ComputeEngine {
    /// The most weights that are packed for all threads at a time: 4 MiB. They may exceed the caches, because each task
    /// reads them only once.
    private static let sharedCapacity = 1 << 20
    /// The most weights that a task packs for itself: 2 MiB.
    private static let ownCapacity = 1 << 19
    /// With more rows than this, packing takes so little of the time that it does not matter who packs.
    private static let fewRows = 1024

    /// result = epilogue(x weightsᵀ): `[rows, columns]` × `[outputs, columns]` → `[rows, outputs]`. With q8 weights,
    /// activations are 16-bit integers (`multiplyWide`); otherwise everything is float32.
    ///
    /// Weights are packed before they are multiplied by. If `x` has few rows, each task packs some outputs for itself
    /// and multiplies all rows by them; if it has many, all threads share packed blocks of weights. The left side is
    /// gathered panel by panel. Every element is summed in the same order, however the work is cut.
    ///
    /// - Throws: The errors of reading tiles.
    package func multiply(
        _ x: Im2Col, _ weights: WeightMatrix, _ epilogue: Epilogue = Epilogue(), into result: Matrix
    ) throws {
        precondition(result.rows == x.rows && result.columns == weights.rows)
        guard x.rows > 0, weights.rows > 0 else { return }
        guard weights.layout != .q8 else { return try multiplyWide(x, weights, epilogue, into: result) }
        precondition(x.columns == weights.columns)
        if let ranges = ownRanges(of: weights, rows: x.rows) {
            try forEachTask(ranges.count) { try multiply(x, weights, rows: ranges[$0], epilogue, into: result, $1) }
        } else {
            try multiplySharing(x, weights, epilogue, into: result)
        }
    }

    /// The outputs that each task packs for itself; nil if sharing packed weights is faster.
    ///
    /// Packed weights that another thread reads travel from one core's cache to the other's, and their memory back when
    /// it is packed into again. With a few hundred rows this can take as long as multiplying them.
    private func ownRanges(of weights: WeightMatrix, rows: Int) -> EvenRanges? {
        guard rows <= Self.fewRows else { return nil }
        let unit = weights.rowsReadTogether ?? 32
        let most = min(Self.ownCapacity / max(weights.columns, 1), weights.rows / (4 * threadCount))
        let ranges = EvenRanges(of: weights.rows, atMost: max(most / unit, 1) * unit, multipleOf: unit)
        return ranges.count >= 2 * threadCount && unit * weights.columns <= Self.ownCapacity ? ranges : nil
    }

    /// The product with some of the outputs, whose weights no other task packs.
    func multiply(
        _ x: Im2Col, _ weights: WeightMatrix, rows outputs: Range<Int>, _ epilogue: Epilogue,
        into result: Matrix, _ scratch: WorkerScratch
    ) throws {
        let block = scratch.packedWeights.reserve((outputs.count + 15) / 16 * 16 * weights.columns)
        try weights.pack(outputs, into: block, kernels, scratch)
        for rows in EvenRanges(of: x.rows, atMost: Int(PVIT_PANEL_ROWS), multipleOf: 12) {
            multiply(x, rows, by: block, outputs, epilogue, into: result, scratch)
        }
    }

    /// The product with weights that are packed in blocks of whole rows, shared by all threads.
    private func multiplySharing(
        _ x: Im2Col, _ weights: WeightMatrix, _ epilogue: Epilogue, into result: Matrix
    ) throws {
        let depth = weights.columns
        let blockRows = max(Self.sharedCapacity / (16 * max(depth, 1)), 1) * 16
        let block = packedWeights.reserve(min(blockRows, (weights.rows + 15) / 16 * 16) * depth)
        for start in stride(from: 0, to: weights.rows, by: blockRows) {
            let outputs = start..<min(start + blockRows, weights.rows)
            if outputs.count % 16 > 0 {
                (block + outputs.count / 16 * 16 * depth).update(repeating: 0, count: 16 * depth)
            }
            let tileRows = weights.tileRows(of: outputs, step: 16)
            try forEachTask(tileRows.count) { index, scratch in
                try weights.pack(tileRows[index], firstRow: start, into: block, kernels, scratch)
            }
            let (rowRanges, groupRanges) = tasks(rows: x.rows, groups: (outputs.count + 15) / 16)
            try forEachTask(rowRanges.count * groupRanges.count) { task, scratch in
                let groups = groupRanges[task % groupRanges.count]
                let range = start + groups.lowerBound * 16..<min(start + groups.upperBound * 16, outputs.upperBound)
                multiply(
                    x, rowRanges[task / groupRanges.count], by: block + groups.lowerBound * 16 * depth, range,
                    epilogue, into: result, scratch)
            }
        }
    }

    /// The product of some rows, at most `PVIT_PANEL_ROWS`, with packed weights.
    private func multiply(
        _ x: Im2Col, _ rows: Range<Int>, by block: UnsafePointer<Float>, _ outputs: Range<Int>,
        _ epilogue: Epilogue, into result: Matrix, _ scratch: WorkerScratch
    ) {
        let groups = (outputs.count + 15) / 16
        let stride = groups * 16 + 16
        let panel = scratch.panelStart()
        let sums = scratch.sums.reserve(rows.count * stride)
        for (number, columns) in EvenRanges(of: x.columns, atMost: Int(PVIT_PANEL_DEPTH)).enumerated() {
            x.gather(rows, columns: columns, into: panel)
            kernels.multiply_panel(
                panel, rows.count, columns.count, block + columns.lowerBound * 16, groups,
                x.columns * 16, number == 0 ? 0 : 1, sums, stride)
        }
        kernels.finish(
            sums, stride, rows.count, outputs.count, epilogue.from(row: rows.lowerBound, output: outputs.lowerBound),
            result.row(rows.lowerBound) + outputs.lowerBound, result.stride)
    }

    /// Cuts a product into tasks of at most 48 rows and 40 groups, or smaller ones until there are enough of them to
    /// keep all threads busy to the end. More groups in a task share the packing of rows; more rows share the reading
    /// of groups.
    private func tasks(rows: Int, groups: Int) -> (rows: EvenRanges, groups: EvenRanges) {
        let sizes = [(48, 40), (48, 20), (24, 20), (24, 10), (12, 10), (12, 5)]
        let cuts = sizes.map {
            (rows: EvenRanges(of: rows, atMost: $0.0, multipleOf: 12), groups: EvenRanges(of: groups, atMost: $0.1))
        }
        return cuts.first { $0.rows.count * $0.groups.count >= 4 * threadCount } ?? cuts[cuts.count - 1]
    }
}
