import Architectures
import CKernels
import Container
import Storage
import Tensors

/// A tensor of a fine-tuned model and the tensor of its base that it is stored relative to.
struct BasePair: Sendable {
    /// The tensor of the fine-tuned model.
    let target: TensorDescription
    /// The tensor of the base. It may have more or fewer rows, and another floating-point type.
    let base: TensorDescription

    /// Pairs two tensors; nil if one cannot be stored relative to the other.
    init?(target: TensorDescription, base: TensorDescription) {
        guard target.shape.rank == base.shape.rank, target.shape.elementCount > 0, base.shape.elementCount > 0,
            target.shape.dimensions.dropFirst() == base.shape.dimensions.dropFirst()
        else { return nil }
        let canConvert = target.elementType.differenceType != nil && base.elementType.differenceType != nil
        guard target.elementType == base.elementType || canConvert else { return nil }
        self.target = target
        self.base = base
    }

    /// The number of rows that both tensors have.
    var sharedRowCount: Int { min(target.shape.rows, base.shape.rows) }

    /// Rows of the base in the type of the target, with zeros for rows that the base lacks.
    ///
    /// - Parameter source: The source of the base.
    /// - Throws: What reading throws.
    func baseRows(_ rows: Range<Int>, from source: any TensorSource) throws -> [UInt8] {
        let shared = rows.clamped(to: 0..<base.shape.rows)
        if shared == rows, base.elementType == target.elementType { return try source.bytes(ofRows: rows, of: base) }
        var result = [UInt8](repeating: 0, count: rows.count * target.bytesPerRow)
        guard !shared.isEmpty else { return result }
        let read = try source.bytes(ofRows: shared, of: base)
        if base.elementType == target.elementType {
            result.replaceSubrange(0..<read.count, with: read)
        } else if let from = base.elementType.differenceType, let to = target.elementType.differenceType {
            read.withUnsafeBytes { read in
                result.withUnsafeMutableBytes { result in
                    pvit_convert_floats(
                        from, read.baseAddress, to, result.baseAddress, read.count / base.elementType.byteCount)
                }
            }
        }
        return result
    }

    /// The tensor of a base that a tensor of a fine-tuned model is compared with: the one of its name, or the
    /// embeddings if the base has no output layer of its own.
    static func baseName(
        for name: TensorName, in base: [TensorName: TensorDescription]
    ) -> TensorName {
        name == TensorKind.outputName && base[name] == nil ? TensorKind.embeddingName : name
    }
}
