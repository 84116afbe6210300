import Storage
import SystemPackage
import Tensors

/// An importance matrix ("imatrix") of llama.cpp: for each matrix of a model, the mean square of the activations that
/// each column is multiplied by, measured on a text by `llama-imatrix`.
///
/// Both of its forms are read: GGUF (`ImportanceMatrixGGUF`), and the older binary one that usually ends in `.dat`
/// (`ImportanceMatrixData`). The numbers belong to the columns of a matrix, so the order of its rows, which differs
/// between GGUF files and `transformers` in query and key projections, does not matter.
///
/// Every number is finite and not negative. A matrix that was not used while measuring has a count of zero; its columns
/// count the same, as in llama.cpp.
package struct ImportanceMatrix: Sendable {
    /// The mean squares of the columns of each matrix of a layer, by the matrix's name in `transformers`: [columns].
    package let columns: [TensorName: [Float]]
    /// The name of the file, without its folder.
    package let name: String
    /// The size of the file in bytes.
    package let byteCount: Int
    /// The SHA-256 of the file.
    package let digest: Digest

    /// The largest file that is read, in bytes. Those of models of 70 billion weights have 25 MB.
    static let maximumByteCount = 256 << 20

    /// Reads a file.
    ///
    /// - Throws: One `imatrix.*` error for each rule, naming the tensor; `gguf.*` for a GGUF file that is damaged;
    ///   `checkpoint.lfs-pointer`, `checkpoint.web-page` and `file.*`.
    package init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        do {
            guard file.byteCount <= Self.maximumByteCount else {
                throw PVITError(
                    .imatrixFormat,
                    "the file has \(file.byteCount) bytes; importance matrices of up to \(Self.maximumByteCount) are "
                        + "read")
            }
            try FileKind.rejectPlaceholder(file)
            let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
            let entries =
                try FileKind(of: file) == .gguf
                ? ImportanceMatrixGGUF.entries(of: GGUFFile(path: path))
                : ImportanceMatrixData.entries(of: bytes.span.bytes)
            columns = try Self.columns(of: entries)
            name = path.name.escapingControlCharacters
            byteCount = bytes.count
            digest = SHA256.digest(of: bytes)
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }

    /// What a file says of one matrix.
    struct Entry {
        /// The name of the matrix in GGUF files.
        let name: TensorName
        /// The sums over tokens of the squares of the activations: [columns].
        let sums: [Float]
        /// The number by which the sums are divided.
        let count: Float
    }

    /// The means of the matrices of layers by their names in `transformers`. Other matrices, such as the output layer,
    /// are left out.
    private static func columns(of entries: [Entry]) throws -> [TensorName: [Float]] {
        var columns: [TensorName: [Float]] = [:]
        for entry in entries where entry.name.rawValue.hasPrefix("blk.") {
            guard !entry.name.rawValue.contains(bytesOf: "_exps") else { throw experts(entry.name) }
            guard let (name, _) = LlamaTensorNames.transformersName(of: entry.name) else {
                throw PVITError(
                    .imatrixOtherModel, "models of the LLaMA family have no such matrix", tensor: entry.name,
                    remedy: "give the importance matrix of this model")
            }
            columns[name] = try means(of: entry)
        }
        return columns
    }

    /// The error of a matrix that consists of several.
    static func experts(_ name: TensorName) -> PVITError {
        PVITError(
            .imatrixExperts, "this matrix has experts, which are not supported", tensor: name,
            remedy: "give the importance matrix of this model")
    }

    private static func means(of entry: Entry) throws -> [Float] {
        guard entry.count.isFinite, entry.count >= 0 else {
            throw PVITError(.imatrixValue, "the count is \(entry.count)", tensor: entry.name)
        }
        return try entry.sums.enumerated().map { column, sum in
            guard sum.isFinite, sum >= 0 else {
                throw PVITError(
                    .imatrixValue, "the sum of squares of column \(column) is \(sum)", tensor: entry.name,
                    remedy: "measure the importance again; the model or the file is damaged")
            }
            guard entry.count > 0 else { return 1 }
            // A count below 1 could make the quotient infinite.
            return min(sum / entry.count, .greatestFiniteMagnitude)
        }
    }
}
