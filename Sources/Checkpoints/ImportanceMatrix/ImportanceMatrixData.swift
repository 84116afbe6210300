import Storage
import Tensors

/// Importance matrices in the older form of llama.cpp, usually called `imatrix.dat`. All integers are signed, 32-bit
/// and little-endian:
///
/// - the number of entries, and for each the length of its name, the name, the number of calls, the number of columns,
///   and an f32 number for each column: its mean square times the number of calls;
/// - then nothing, or the number of chunks that were measured, followed by nothing, or by the length of the name of the
///   text and that name.
enum ImportanceMatrixData {
    /// The most entries. The largest models have two thousand.
    private static let maximumEntryCount = 65536
    /// The longest name of a matrix, in bytes.
    private static let maximumNameByteCount = 255
    /// The bytes of the shortest entry: three integers, a name and a number.
    private static let minimumEntryByteCount = 17

    /// The matrices of a file.
    ///
    /// - Throws: `imatrix.format`, `imatrix.truncated`, `imatrix.name`, `imatrix.duplicate`, `imatrix.shape`,
    ///   `imatrix.value` or `imatrix.trailing`, naming bytes.
    static func entries(of bytes: RawSpan) throws -> [ImportanceMatrix.Entry] {
        var cursor = Cursor()
        guard bytes.byteCount >= 4,
            case let count = try cursor.integer(bytes),
            count > 0, count <= min(maximumEntryCount, (bytes.byteCount - 4) / minimumEntryByteCount)
        else {
            throw PVITError(
                .imatrixFormat, "this is not an importance matrix of llama.cpp, neither GGUF nor the older form",
                remedy: "give the file that llama-imatrix has written")
        }
        var names: Set<TensorName> = []
        let entries = try (0..<count).map { _ in
            let entry = try entry(bytes, &cursor)
            guard names.insert(entry.name).inserted else {
                throw PVITError(.imatrixDuplicate, "two entries have this name", tensor: entry.name)
            }
            return entry
        }
        try skipDescription(bytes, &cursor)
        return entries
    }

    private static func entry(_ bytes: RawSpan, _ cursor: inout Cursor) throws -> ImportanceMatrix.Entry {
        let start = cursor.offset
        let length = try cursor.integer(bytes)
        guard (1...maximumNameByteCount).contains(length) else {
            throw PVITError(
                .imatrixName, "the name of a matrix is \(length) bytes long, not 1 to \(maximumNameByteCount)",
                bytes: UInt64(start)..<UInt64(start + 4))
        }
        let range = try cursor.skip(bytes, length)
        let name = TensorName(
            try bytes.text(range, atMost: maximumNameByteCount, orThrow: .imatrixName, "the name of a matrix"))
        do {
            let callCount = try cursor.integer(bytes)
            guard callCount >= 0 else { throw PVITError(.imatrixValue, "the number of calls is \(callCount)") }
            let columnCount = try cursor.integer(bytes)
            guard columnCount > 0 else { throw PVITError(.imatrixShape, "the matrix has \(columnCount) columns") }
            let (byteCount, overflow) = columnCount.multipliedReportingOverflow(by: 4)
            guard !overflow else { throw PVITError(.imatrixShape, "the matrix has \(columnCount) columns") }
            let sums = try bytes.floats(at: try cursor.skip(bytes, byteCount).lowerBound, count: columnCount)
            // llama.cpp takes the sums as they are when there was no call.
            return ImportanceMatrix.Entry(name: name, sums: sums, count: Float(max(callCount, 1)))
        } catch let error as PVITError {
            throw error.located(tensor: name)
        }
    }

    private static func skipDescription(_ bytes: RawSpan, _ cursor: inout Cursor) throws {
        if cursor.offset < bytes.byteCount { _ = try cursor.integer(bytes) }
        if cursor.offset < bytes.byteCount { try cursor.skip(bytes, try cursor.integer(bytes)) }
        guard cursor.offset == bytes.byteCount else {
            throw PVITError(
                .imatrixTrailing, "bytes follow the end of the importance matrix",
                bytes: UInt64(cursor.offset)..<UInt64(bytes.byteCount))
        }
    }

    /// Reads one value after another.
    private struct Cursor {
        /// The offset of the next byte.
        private(set) var offset = 0

        /// The next integer.
        mutating func integer(_ bytes: RawSpan) throws -> Int {
            let range = try skip(bytes, 4)
            return Int(try bytes.littleEndian(at: range.lowerBound, as: Int32.self))
        }

        /// The next `count` bytes.
        ///
        /// - Throws: `imatrix.truncated` for a negative number of bytes or more than there are.
        @discardableResult
        mutating func skip(_ bytes: RawSpan, _ count: Int) throws -> Range<Int> {
            guard count >= 0, count <= bytes.byteCount - offset else {
                throw PVITError(
                    .imatrixTruncated, "\(count) bytes should follow, but \(bytes.byteCount - offset) are left",
                    bytes: UInt64(offset)..<UInt64(bytes.byteCount), remedy: "download or copy the file again")
            }
            defer { offset += count }
            return offset..<offset + count
        }
    }
}
