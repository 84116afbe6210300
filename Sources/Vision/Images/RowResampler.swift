import Architectures

/// Resizes an image that arrives row by row, from top to bottom. The result equals that of `Image.resize(size, filter)`
/// of Pillow 9.4.
///
/// The columns of each row are resampled on arrival and rounded to 8 bits. A row of the result is computed as soon as
/// all of its original rows have arrived, and only the rows that this needs are kept. Later versions of Pillow choose
/// the faster order of both steps, which can change a sample by one.
final class RowResampler {
    private let newSize: PixelSize
    /// nil if the width stays.
    private let columns: ResamplingWindows?
    /// nil if the height stays.
    private let rows: ResamplingWindows?
    /// The latest rows, with resampled columns: `[rows.capacity, newSize.width, 3]`. Row `r` is at `r % capacity`.
    private var recent: [UInt8]
    private var sums: [Int32]
    private var result: [UInt8]
    /// The number of rows that have arrived.
    private var count = 0
    /// The number of finished rows of the result.
    private var finishedCount = 0

    private var rowLength: Int { newSize.width * 3 }

    /// - Throws: `image.size` if a side is not positive, `image.too-large` if there would be too many pixels.
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
        let number = count
        count += 1
        guard let rows else {
            resampleColumns(of: row, into: &result, at: number * rowLength)
            return
        }
        guard rows.span.contains(number) else { return }
        resampleColumns(of: row, into: &recent, at: number % rows.capacity * rowLength)
        while finishedCount < rows.ranges.count, rows.ranges[finishedCount].upperBound <= count {
            resampleRows(rows, finishedCount)
            finishedCount += 1
        }
    }

    /// The image, after all rows have been added.
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
                        var offset = start
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
                            result[offset] = UInt8(clamping: red >> ResamplingWindows.fractionBits)
                            result[offset + 1] = UInt8(clamping: green >> ResamplingWindows.fractionBits)
                            result[offset + 2] = UInt8(clamping: blue >> ResamplingWindows.fractionBits)
                            offset += 3
                        }
                    }
                }
            }
        }
    }

    /// Computes a row of the result from the latest rows.
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
