import Architectures

/// Makes an image of another size from rows that come one after the other, the top row first: the same to the last bit
/// as `Image.resize(size, filter)` of Pillow 9.4.
///
/// The columns of a row are resampled when it comes, if it is needed, and rounded to 8 bits. As soon as all rows are
/// there that a row of the result is made of, it is made; no more rows are kept than that takes. Later versions of
/// Pillow take the faster order of both, which can change a sample by one.
final class RowResampler {
    private let newSize: PixelSize
    /// nil where the width stays.
    private let columns: ResamplingWindows?
    /// nil where the height stays.
    private let rows: ResamplingWindows?
    /// The rows that came last, their columns resampled: `[rows.capacity, newSize.width, 3]`, each at its number modulo
    /// the capacity.
    private var recent: [UInt8]
    private var sums: [Int32]
    private var result: [UInt8]
    /// How many rows have come.
    private var count = 0
    /// How many rows of the result are made.
    private var madeCount = 0

    private var rowLength: Int { newSize.width * 3 }

    /// - Throws: `image.size` when a side is not positive, `image.too-large` when there would be too many pixels.
    init(from size: PixelSize, to newSize: PixelSize, filter: ResamplingFilter) throws {
        try size.checkLimits()
        try newSize.checkLimits()
        self.newSize = newSize
        columns =
            newSize.width == size.width
            ? nil : ResamplingWindows(from: size.width, to: newSize.width, filter: filter)
        rows =
            newSize.height == size.height
            ? nil : ResamplingWindows(from: size.height, to: newSize.height, filter: filter)
        recent = [UInt8](repeating: 0, count: (rows?.capacity ?? 0) * newSize.width * 3)
        sums = [Int32](repeating: 0, count: rows == nil ? 0 : newSize.width * 3)
        result = [UInt8](repeating: 0, count: newSize.sampleCount)
    }

    /// Takes the next row, `[width, 3]`.
    func add(_ row: Span<UInt8>) {
        let place = count
        count += 1
        guard let rows else {
            resampleColumns(of: row, into: &result, at: place * rowLength)
            return
        }
        guard rows.span.contains(place) else { return }
        resampleColumns(of: row, into: &recent, at: place % rows.capacity * rowLength)
        while madeCount < rows.ranges.count, rows.ranges[madeCount].upperBound <= count {
            resampleRows(rows, madeCount)
            madeCount += 1
        }
    }

    /// The image, after all rows.
    func image() throws -> PixelImage { try PixelImage(size: newSize, pixels: result) }

    private func resampleColumns(of row: Span<UInt8>, into result: inout [UInt8], at start: Int) {
        row.withUnsafeBufferPointer { row in
            result.withUnsafeMutableBufferPointer { result in
                guard let columns else {
                    _ = result[start...].update(fromContentsOf: row)
                    return
                }
                columns.ranges.withUnsafeBufferPointer { ranges in
                    columns.weights.withUnsafeBufferPointer { weights in
                        var place = start
                        for column in 0..<ranges.count {
                            var sample = ranges[column].lowerBound * 3
                            let first = column * columns.capacity
                            var (red, green, blue) = (
                                ResamplingWindows.half, ResamplingWindows.half, ResamplingWindows.half
                            )
                            for index in first..<first + ranges[column].count {
                                let weight = weights[index]
                                red &+= Int32(row[sample]) &* weight
                                green &+= Int32(row[sample + 1]) &* weight
                                blue &+= Int32(row[sample + 2]) &* weight
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

    /// Makes row number `row` of the result from the rows that are kept.
    private func resampleRows(_ rows: ResamplingWindows, _ row: Int) {
        let rowLength = rowLength
        sums.withUnsafeMutableBufferPointer { sums in
            sums.update(repeating: ResamplingWindows.half)
            recent.withUnsafeBufferPointer { recent in
                for (index, original) in rows.ranges[row].enumerated() {
                    let weight = rows.weights[row * rows.capacity + index]
                    let start = original % rows.capacity * rowLength
                    for column in 0..<rowLength { sums[column] &+= Int32(recent[start + column]) &* weight }
                }
            }
            result.withUnsafeMutableBufferPointer { result in
                let start = row * rowLength
                for column in 0..<rowLength {
                    result[start + column] = UInt8(clamping: sums[column] >> ResamplingWindows.fractionBits)
                }
            }
        }
    }
}
