import Storage
import Tensors

/// The range, moments and distribution of a tensor's elements.
package struct TensorScan: Sendable, Hashable {
    /// The number of elements.
    package let count: Int
    /// The smallest finite element; 0 when there is none.
    package let minimum: Double
    /// The largest finite element; 0 when there is none.
    package let maximum: Double
    /// The mean of the finite elements.
    package let mean: Double
    /// The standard deviation of the finite elements.
    package let standardDeviation: Double
    /// The number of elements that are exactly zero.
    package let zeroCount: Int
    /// The number of elements that are infinite or not a number.
    package let notFiniteCount: Int
    /// The number of finite elements in each of the equal bins between `minimum` and `maximum`.
    package let histogram: [Int]

    /// Reads a tensor twice, in chunks: once for its range and moments, once for its distribution.
    ///
    /// - Throws: What reading throws.
    package init(of tensor: TensorDescription, in source: some TensorSource, binCount: Int) throws {
        var (minimum, maximum) = (Double.infinity, -Double.infinity)
        var (sum, squares) = (0.0, 0.0)
        var (finite, zeros) = (0, 0)
        try Self.forEachNumber(of: tensor, in: source) { number in
            guard number.isFinite else { return }
            minimum = min(minimum, number)
            maximum = max(maximum, number)
            sum += number
            squares += number * number
            finite += 1
            if number == 0 { zeros += 1 }
        }
        count = tensor.shape.elementCount
        zeroCount = zeros
        notFiniteCount = count - finite
        self.minimum = finite > 0 ? minimum : 0
        self.maximum = finite > 0 ? maximum : 0
        let mean = finite > 0 ? sum / Double(finite) : 0
        self.mean = mean
        standardDeviation = finite > 0 ? max(0, squares / Double(finite) - mean * mean).squareRoot() : 0

        var histogram = [Int](repeating: 0, count: binCount)
        let (low, width) = (self.minimum, self.maximum - self.minimum)
        try Self.forEachNumber(of: tensor, in: source) { number in
            guard number.isFinite else { return }
            let bin = width > 0 ? (number - low) / width * Double(binCount) : 0
            histogram[min(Int(bin), binCount - 1)] += 1
        }
        self.histogram = histogram
    }

    private static func forEachNumber(
        of tensor: TensorDescription, in source: some TensorSource, _ body: (Double) -> Void
    ) throws {
        let rowsAtOnce = max(1, (1 << 20) / max(tensor.bytesPerRow, 1))
        var start = 0
        while start < tensor.shape.rows, tensor.shape.elementCount > 0 {
            let rows = start..<min(start + rowsAtOnce, tensor.shape.rows)
            let bytes = try source.bytes(ofRows: rows, of: tensor)
            try forEachNumber(bytes.span.bytes, tensor.elementType, body)
            start = rows.upperBound
        }
    }

    private static func forEachNumber(_ bytes: RawSpan, _ type: ElementType, _ body: (Double) -> Void) throws {
        let size = type.byteCount
        switch type {
        case .f16, .bf16, .f32:
            var floats = [Float](repeating: 0, count: bytes.byteCount / size)
            var span = floats.mutableSpan
            try FloatVectors.widen(bytes, type, into: &span)
            for number in floats { body(Double(number)) }
        case .f64:
            for offset in stride(from: 0, to: bytes.byteCount, by: size) {
                body(Double(bitPattern: try bytes.littleEndian(at: offset)))
            }
        case .i64:
            for offset in stride(from: 0, to: bytes.byteCount, by: size) {
                body(Double(try bytes.littleEndian(at: offset, as: Int64.self)))
            }
        case .i32:
            for offset in stride(from: 0, to: bytes.byteCount, by: size) {
                body(Double(try bytes.littleEndian(at: offset, as: Int32.self)))
            }
        case .i16:
            for offset in stride(from: 0, to: bytes.byteCount, by: size) {
                body(Double(try bytes.littleEndian(at: offset, as: Int16.self)))
            }
        case .i8:
            for offset in 0..<bytes.byteCount { body(Double(try bytes.littleEndian(at: offset, as: Int8.self))) }
        case .u8, .bool:
            for offset in 0..<bytes.byteCount { body(Double(try bytes.littleEndian(at: offset, as: UInt8.self))) }
        }
    }
}
