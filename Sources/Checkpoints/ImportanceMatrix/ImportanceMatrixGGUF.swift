import Storage
import Tensors

/// Importance matrices as GGUF files: `general.type` is `imatrix`, and each matrix NAME has two f32 tensors,
/// `NAME.in_sum2` [columns] and `NAME.counts` [1]. Of models with experts both have a row for each expert.
enum ImportanceMatrixGGUF {
    private static let sums = ".in_sum2"
    private static let counts = ".counts"

    /// The matrices of a file. Tensors of other names are left out, as in llama.cpp.
    ///
    /// - Throws: `imatrix.format`, `imatrix.unpaired`, `imatrix.shape`, `imatrix.experts`, and `gguf.*` and `file.*`
    ///   errors.
    static func entries(of file: GGUFFile) throws -> [ImportanceMatrix.Entry] {
        guard try file.string("general.type") == "imatrix" else {
            throw PVITError(
                .imatrixFormat, "this GGUF file is not an importance matrix",
                remedy: "give the file that llama-imatrix has written")
        }
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
        for tensor in file.tensors {
            guard let name = tensor.name.without(suffix: counts) else { continue }
            guard tensors[TensorName(name + sums)] != nil else {
                throw PVITError(.imatrixUnpaired, "there are no sums for these counts", tensor: tensor.name)
            }
        }
        let entries = try file.tensors.compactMap { tensor -> ImportanceMatrix.Entry? in
            guard let name = tensor.name.without(suffix: sums) else { return nil }
            guard let count = tensors[TensorName(name + counts)] else {
                throw PVITError(.imatrixUnpaired, "there are no counts for these sums", tensor: tensor.name)
            }
            guard count.shape.elementCount <= 1, tensor.shape.elementCount == tensor.shape.dimensions.last ?? 1 else {
                throw ImportanceMatrix.experts(TensorName(name))
            }
            guard let count = try numbers(count, of: file).first else {
                throw PVITError(.imatrixShape, "there is no count", tensor: count.name)
            }
            return ImportanceMatrix.Entry(
                name: TensorName(name), sums: try numbers(tensor, of: file), count: count)
        }
        guard !entries.isEmpty else { throw PVITError(.imatrixFormat, "the importance matrix has no entries") }
        return entries
    }

    private static func numbers(_ tensor: TensorDescription, of file: GGUFFile) throws -> [Float] {
        guard file.storedType(of: tensor.name) == .f32 else {
            throw PVITError(.imatrixShape, "the numbers are not f32", tensor: tensor.name)
        }
        let bytes = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
        return try bytes.span.bytes.floats(at: 0, count: tensor.shape.elementCount)
    }
}

extension TensorName {
    /// The text before `suffix`; nil if the name does not end so, or has no other text.
    fileprivate func without(suffix: String) -> String? {
        rawValue.hasSuffix(suffix) && rawValue.utf8.count > suffix.utf8.count
            ? String(rawValue.dropLast(suffix.count)) : nil
    }
}

extension RawSpan {
    /// Little-endian f32 numbers from an offset on.
    func floats(at offset: Int, count: Int) throws -> [Float] {
        try (0..<count).map { Float(bitPattern: try littleEndian(at: offset + 4 * $0)) }
    }
}
