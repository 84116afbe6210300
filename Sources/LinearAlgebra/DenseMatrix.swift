import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A row-major matrix that several threads may fill, each its own elements.
package final class DenseMatrix<Element: BitwiseCopyable & BinaryFloatingPoint>: @unchecked Sendable {
    /// The number of rows.
    package let rows: Int
    /// The number of elements in a row.
    package let columns: Int
    /// [rows, columns], which exist as long as the matrix: whoever uses them keeps a reference to it.
    package let elements: UnsafeMutablePointer<Element>

    /// Creates a matrix of zeros.
    ///
    /// - Throws: `memory.exhausted` if the system does not give the memory.
    package init(rows: Int, columns: Int) throws {
        self.rows = rows
        self.columns = columns
        let (count, overflows) = max(rows, 1).multipliedReportingOverflow(by: max(columns, 1))
        guard !overflows, let memory = calloc(count, MemoryLayout<Element>.stride) else {
            throw PVITError(
                .memoryExhausted, "there is no memory for \(rows) × \(columns) numbers",
                remedy: "use a shorter sample or a machine with more memory")
        }
        elements = memory.assumingMemoryBound(to: Element.self)
    }

    deinit { free(elements) }

    /// The first element of a row. It exists as long as the matrix.
    package func row(_ row: Int) -> UnsafeMutablePointer<Element> { elements + row * columns }

    /// A copy of some rows.
    package func copy(of rows: Range<Int>) throws -> DenseMatrix {
        let result = try DenseMatrix(rows: rows.count, columns: columns)
        result.elements.update(from: row(rows.lowerBound), count: rows.count * columns)
        return result
    }

    /// The number of elements.
    package var count: Int { rows * columns }

    /// A copy of the elements, row after row.
    package var numbers: [Element] {
        withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: elements, count: count)) }
    }
}
