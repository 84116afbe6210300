import CKernels

/// Products of an image encoder with 8-bit weights: activations are 16-bit integers with a scale for 32 channels of a
/// pixel, as for the decoder's 8-bit weights.
extension ComputeEngine {
    /// The most rows and outputs that a task multiplies at a time. Kernels unpack weights for as many rows together.
    private static let rowsAtOnce = 120
    private static let outputsAtOnce = 128

    /// result = epilogue(x weightsᵀ) for weights `[outputs, height, width, channels]`, with channels rounded up to a
    /// multiple of 32 by zeros.
    ///
    /// Pixels are quantized once and windows of them packed where they are multiplied. An element does not depend on
    /// how the work is cut.
    ///
    /// - Throws: The errors of reading tiles.
    func multiplyWide(
        _ x: Im2Col, _ weights: WeightMatrix, _ epilogue: Epilogue, into result: Matrix
    ) throws {
        let channels = weights.columns / x.kernelArea
        precondition(channels * x.kernelArea == weights.columns && (x.maps.channels + 31) / 32 * 32 == channels)
        let tiles = try decodedTiles(of: weights)
        let (rowRanges, outputRanges) = wideTasks(rows: x.rows, outputs: weights.rows)
        // If a task has all outputs, nobody else needs the pixels that it quantizes.
        let ownsPixels = x.isPointwise && outputRanges.count == 1
        let pixels = ownsPixels ? nil : try quantizePixels(of: x.maps, channels: channels)
        try forEachTask(rowRanges.count * outputRanges.count) { task, scratch in
            let rows = rowRanges[task / outputRanges.count]
            let windows = scratch.windows.reserve(
                Self.rowsAtOnce * kernels.packed_wide_activation_bytes(weights.columns))
            if let pixels {
                x.pack(rows, of: pixels.from(row: 0, columns: channels), channels: channels, kernels, into: windows)
            } else {
                forEachPixel(rows, of: x.maps, channels: channels, scratch) { row, numbers in
                    kernels.packWide(
                        numbers, columns: channels, token: row - rows.lowerBound, of: rows.count, into: windows)
                }
            }
            try multiply(
                windows, rows, weights, tiles, outputRanges[task % outputRanges.count], epilogue, into: result, scratch)
        }
    }

    /// Cuts a product into tasks, by outputs only as far as there are not enough rows to keep all threads busy to the
    /// end.
    private func wideTasks(rows: Int, outputs: Int) -> (rows: EvenRanges, outputs: EvenRanges) {
        let rowRanges = EvenRanges(of: rows, atMost: Self.rowsAtOnce, multipleOf: 12)
        let parts = max((4 * threadCount + rowRanges.count - 1) / rowRanges.count, 1)
        let most = max((outputs + parts - 1) / parts, Self.outputsAtOnce)
        return (rowRanges, EvenRanges(of: outputs, atMost: (most + 15) / 16 * 16, multipleOf: 16))
    }

    private func quantizePixels(of maps: FeatureMaps, channels: Int) throws -> QuantizedActivations<Int16> {
        let count = maps.count * maps.height * maps.width
        let result = widePixels.reserve(rows: count, columns: channels)
        try forEachRange(of: count, operations: 8 * channels) { pixels, scratch in
            forEachPixel(pixels, of: maps, channels: channels, scratch) { row, numbers in
                result.quantize(numbers, row: row, columns: channels, kernels)
            }
        }
        return result
    }

    /// Calls `body` with the numbers of some pixels: `[channels]`. Channels that the maps do not have are zeros.
    private func forEachPixel(
        _ pixels: Range<Int>, of maps: FeatureMaps, channels: Int, _ scratch: WorkerScratch,
        _ body: (_ pixel: Int, _ numbers: UnsafePointer<Float>) -> Void
    ) {
        guard channels > maps.channels else {
            for pixel in pixels { body(pixel, maps.pixels.start + pixel * maps.pixelStride) }
            return
        }
        let padded = scratch.floats.reserve(channels)
        (padded + maps.channels).update(repeating: 0, count: channels - maps.channels)
        for pixel in pixels {
            padded.update(from: maps.pixels.start + pixel * maps.pixelStride, count: maps.channels)
            body(pixel, padded)
        }
    }

    /// The product of some windows and outputs.
    ///
    /// - Parameter tiles: The tiles of `weights` one after another; nil to read them one by one.
    private func multiply(
        _ windows: UnsafeRawPointer, _ rows: Range<Int>, _ weights: WeightMatrix, _ tiles: UnsafeRawPointer?,
        _ outputs: Range<Int>, _ epilogue: Epilogue, into result: Matrix, _ scratch: WorkerScratch
    ) throws {
        for part in weights.tileRows(of: outputs, step: Self.outputsAtOnce) {
            let groups = weights.groupCount(of: part.rows)
            let sums = scratch.sums.reserve(rows.count * groups * 16)
            func multiply(_ group: UnsafeRawPointer, _ scale: Float) {
                kernels.gemm_q8(
                    group.assumingMemoryBound(to: UInt8.self), groups, weights.columns, scale, windows, rows.count,
                    sums, groups * 16)
            }
            if let tiles {
                multiply(tiles + weights.byteOffset(ofRow: part.rows.lowerBound), weights.scale(ofTile: part.tile))
            } else {
                try weights.withTile(part.tile, scratch.tile) { start, scale in
                    let first = part.rows.lowerBound - weights.tileStarts[part.tile]
                    multiply(start + weights.byteOffset(ofRow: first), scale)
                }
            }
            kernels.finish(
                sums, groups * 16, rows.count, part.rows.count,
                epilogue.from(row: rows.lowerBound, output: part.rows.lowerBound),
                result.row(rows.lowerBound) + part.rows.lowerBound, result.stride)
        }
    }

    /// The tiles of a matrix one after another, if they are compressed: each is needed by many tasks.
    private func decodedTiles(of weights: WeightMatrix) throws -> UnsafeRawPointer? {
        guard weights.rowsReadTogether != nil else { return nil }
        let byteCount = weights.groupCount(of: 0..<weights.rows) * weights.bytesPerGroup
        let start = UnsafeMutableRawPointer(packedWeights.reserve((byteCount + 3) / 4))
        try forEachTask(weights.tileCount) { tile, scratch in
            let rows = weights.tileStarts[tile]..<weights.tileStarts[tile + 1]
            try weights.withTile(tile, scratch.tile) { bytes, _ in
                (start + weights.byteOffset(ofRow: rows.lowerBound)).copyMemory(
                    from: bytes, byteCount: weights.groupCount(of: rows) * weights.bytesPerGroup)
            }
        }
        return UnsafeRawPointer(start)
    }
}

extension WeightMatrix {
    /// The groups that rows take, which begin with a whole one.
    fileprivate func groupCount(of rows: Range<Int>) -> Int { (rows.count + rowsPerGroup - 1) / rowsPerGroup }

    /// The bytes of the groups before a row, which is the first one of its group.
    fileprivate func byteOffset(ofRow row: Int) -> Int { row / rowsPerGroup * bytesPerGroup }
}
