import Architectures

extension PixelImage {
    /// The image in another size, the same to the last bit as `Image.resize(size, filter)` of Pillow 9.4.
    ///
    /// Columns are resampled first, only in the rows that are needed, and rounded to 8 bits; then rows. Later versions of
    /// Pillow take the faster order, which can change a sample by one.
    ///
    /// - Throws: `image.size` when a side is not positive, `image.too-large` when there would be too many pixels.
    public func resized(to newSize: PixelSize, filter: ResamplingFilter) throws -> PixelImage {
        try newSize.checkLimits()
        if newSize == size { return self }
        let rows = ResamplingWindows(from: height, to: newSize.height, filter: filter)
        if newSize.width == width { return try resamplingRows(rows, firstRow: 0) }
        let columns = ResamplingWindows(from: width, to: newSize.width, filter: filter)
        if newSize.height == height { return try resamplingColumns(columns, in: 0..<height) }
        return try resamplingColumns(columns, in: rows.span).resamplingRows(rows, firstRow: rows.span.lowerBound)
    }

    /// The given rows with other columns.
    private func resamplingColumns(_ columns: ResamplingWindows, in rows: Range<Int>) throws -> PixelImage {
        let newSize = PixelSize(width: columns.ranges.count, height: rows.count)
        return try PixelImage(size: newSize) { result in
            pixels.withUnsafeBufferPointer { pixels in
                columns.ranges.withUnsafeBufferPointer { ranges in
                    columns.weights.withUnsafeBufferPointer { weights in
                        var place = 0
                        for row in rows {
                            for column in 0..<ranges.count {
                                var sample = (row * width + ranges[column].lowerBound) * 3
                                let first = column * columns.capacity
                                var (red, green, blue) = (
                                    ResamplingWindows.half, ResamplingWindows.half, ResamplingWindows.half
                                )
                                for index in first..<first + ranges[column].count {
                                    let weight = weights[index]
                                    red &+= Int32(pixels[sample]) &* weight
                                    green &+= Int32(pixels[sample + 1]) &* weight
                                    blue &+= Int32(pixels[sample + 2]) &* weight
                                    sample += 3
                                }
                                result[place] = UInt8(clamping: red >> ResamplingWindows.fractionBits)
                                result[place + 1] = UInt8(clamping: green >> ResamplingWindows.fractionBits)
                                result[place + 2] = UInt8(clamping: blue >> ResamplingWindows.fractionBits)
                                place += 3
                            }
                        }
                    }
                }
            }
        }
    }

    /// The image with other rows. Its own first row is `firstRow` of the image that the windows are for.
    private func resamplingRows(_ rows: ResamplingWindows, firstRow: Int) throws -> PixelImage {
        let rowLength = width * 3
        return try PixelImage(size: PixelSize(width: width, height: rows.ranges.count)) { result in
            pixels.withUnsafeBufferPointer { pixels in
                withUnsafeTemporaryAllocation(of: Int32.self, capacity: rowLength) { sums in
                    for (row, range) in rows.ranges.enumerated() {
                        sums.initialize(repeating: ResamplingWindows.half)
                        for (index, original) in range.enumerated() {
                            let weight = rows.weights[row * rows.capacity + index]
                            let start = (original - firstRow) * rowLength
                            for column in 0..<rowLength { sums[column] &+= Int32(pixels[start + column]) &* weight }
                        }
                        let start = row * rowLength
                        for column in 0..<rowLength {
                            result[start + column] = UInt8(clamping: sums[column] >> ResamplingWindows.fractionBits)
                        }
                    }
                }
            }
        }
    }
}
