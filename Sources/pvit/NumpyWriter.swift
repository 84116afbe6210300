import Storage
import SystemPackage

/// Writes a float32 matrix, row by row, as a NumPy `.npy` file (format version 1.0, C order, little-endian).
struct NumpyWriter: ~Copyable {
    private var file: OutputFile
    private let columns: Int
    private var rowsLeft: Int

    /// Starts a file for a matrix of shape `[rows, columns]`.
    ///
    /// - Throws: `file.cannot-create` or `file.write-failed`.
    init(path: FilePath, rows: Int, columns: Int) throws {
        var file = try OutputFile(path: path)
        let description = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
        // Magic, version, header length and header together take a multiple of 64 bytes.
        let padding = (64 - (10 + description.utf8.count + 1) % 64) % 64
        let header = description + String(repeating: " ", count: padding) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes.appendLittleEndian(UInt16(header.utf8.count))
        try file.append(bytes + Array(header.utf8))
        self.file = file
        self.columns = columns
        rowsLeft = rows
    }

    /// Appends rows, densely packed.
    ///
    /// - Throws: `file.write-failed`; `internal.defect` if these are not whole rows, or too many.
    mutating func append(_ values: Span<Float>) throws {
        guard values.count % columns == 0, values.count / columns <= rowsLeft else {
            throw PVITError(.internalDefect, "\(values.count) numbers are not rows of a matrix of \(columns) columns")
        }
        rowsLeft -= values.count / columns
        try file.append(values.bytes)
    }

    /// Finishes the file.
    ///
    /// - Throws: `file.write-failed`; `internal.defect` if rows are missing.
    consuming func commit() throws {
        guard rowsLeft == 0 else { throw PVITError(.internalDefect, "\(rowsLeft) rows were not written") }
        try file.commit()
    }
}
