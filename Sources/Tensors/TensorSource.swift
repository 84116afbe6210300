import Storage

/// The name, type and shape of a tensor.
package struct TensorDescription: Hashable, Sendable {
    /// The name in its source.
    package let name: TensorName
    /// The type of the elements that `TensorSource.readRows` copies.
    package let elementType: ElementType
    /// The extents, outermost first.
    package let shape: Shape
    /// The size of one row in bytes.
    package let bytesPerRow: Int
    /// The size of all rows in bytes.
    package let byteCount: Int

    /// Creates a description.
    ///
    /// - Throws: `tensor.mismatch` if the size in bytes does not fit `Int`.
    package init(name: TensorName, elementType: ElementType, shape: Shape) throws {
        guard let byteCount = shape.byteCount(of: elementType) else {
            throw PVITError(.tensorMismatch, "a tensor of shape \(shape) is too large to address", tensor: name)
        }
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.byteCount = byteCount
        bytesPerRow = shape.elementsPerRow * elementType.byteCount
    }
}

/// A list of named, typed, shaped tensors whose rows can be read in ranges.
///
/// Checkpoint folders, containers, and sums of a base and a delta are sources. A source does not change and may be read
/// from several threads at once.
package protocol TensorSource: Sendable {
    /// All tensors, in the order in which reading them is cheapest.
    var tensors: [TensorDescription] { get }

    /// Copies the rows `rows` of a tensor, densely packed, into `destination`.
    ///
    /// A row holds all elements with the same index in the outermost dimension. The rows of a vector are its elements;
    /// a scalar is one row.
    ///
    /// - Parameters:
    ///   - rows: A range within `0..<tensor.shape.rows`.
    ///   - tensor: One of `tensors`.
    ///   - destination: Exactly `rows.count * tensor.bytesPerRow` bytes.
    /// - Throws: A `PVITError` that names file, tensor and bytes if the data cannot be read.
    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws

    /// Lends the rows `rows` of a tensor, densely packed, to `body`, without a copy if they lie so in a mapped file.
    ///
    /// - Parameters:
    ///   - rows: A range within `0..<tensor.shape.rows`.
    ///   - tensor: One of `tensors`.
    ///   - scratch: Memory for rows that have to be copied; resized as needed.
    ///   - body: Reads the rows, preferably once, because another process may change a mapped file. Its result or error
    ///     is dropped if the file could not be read.
    /// - Throws: As `readRows`, and what `body` throws.
    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result
}

extension TensorSource {
    /// Copies the rows into `scratch`.
    package func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        try withCopiedRows(rows, of: tensor, scratch: &scratch, body)
    }

    /// Copies the rows into `scratch`, for sources that can lend only some of their rows.
    package func withCopiedRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        let byteCount = rows.count * tensor.bytesPerRow
        if scratch.count != byteCount { scratch = [UInt8](repeating: 0, count: byteCount) }
        var span = scratch.mutableSpan
        var bytes = span.mutableBytes
        try readRows(rows, of: tensor, into: &bytes)
        return try body(bytes.bytes)
    }

    /// The description of the tensor called `name`, or nil. Takes time linear in the number of tensors.
    package func tensor(named name: TensorName) -> TensorDescription? {
        tensors.first { $0.name == name }
    }

    /// The bytes of rows `rows` of a tensor, densely packed.
    package func bytes(ofRows rows: Range<Int>, of tensor: TensorDescription) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: rows.count * tensor.bytesPerRow)
        var span = result.mutableSpan
        var bytes = span.mutableBytes
        try readRows(rows, of: tensor, into: &bytes)
        return result
    }

    /// Throws `tensor.mismatch` unless `rows` are rows of `tensor` and fill `destinationByteCount` bytes.
    package func checkRequest(
        rows: Range<Int>, of tensor: TensorDescription, destinationByteCount: Int
    ) throws {
        guard rows.lowerBound >= 0, rows.upperBound <= tensor.shape.rows else {
            throw PVITError(
                .tensorMismatch, "rows \(rows) lie outside a tensor of shape \(tensor.shape)", tensor: tensor.name)
        }
        guard destinationByteCount == rows.count * tensor.bytesPerRow else {
            throw PVITError(
                .tensorMismatch,
                "\(rows.count) rows of \(tensor.bytesPerRow) bytes do not fill \(destinationByteCount) bytes",
                tensor: tensor.name)
        }
    }
}
