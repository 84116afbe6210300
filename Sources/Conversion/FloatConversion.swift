import Checkpoints
import Quantization
import Storage
import Tensors

/// Converts packed floating-point numbers to another type.
enum FloatConversion {
    /// Converts finite numbers.
    ///
    /// - Parameters:
    ///   - bytes: Packed numbers of `source`: f16, bf16 or f32.
    ///   - type: A float type, or one of `GGUFBlockEncoder.types`.
    /// - Throws: `quantize.not-finite`, `quantize.overflow` when a number is too large for the type, `tensor.mismatch`
    ///   for other types.
    static func convert(_ bytes: [UInt8], from source: ElementType, to type: GGUFType) throws -> [UInt8] {
        if let index = FloatVectors.firstNotFinite(bytes.span.bytes, source) {
            throw PVITError(
                .weightNotFinite, "number \(index) of the rows that were read is infinite or not a number",
                remedy: "the checkpoint is damaged: download or copy it again")
        }
        if !type.isQuantized, type.elementType == source { return bytes }
        var floats = [Float](repeating: 0, count: bytes.count / source.byteCount)
        var span = floats.mutableSpan
        try FloatVectors.widen(bytes.span.bytes, source, into: &span)
        guard !type.isQuantized else { return try GGUFBlockEncoder.encode(floats.span, type) }
        return try narrow(floats, to: type.elementType)
    }

    /// Rounds finite numbers to a float type.
    ///
    /// - Throws: `quantize.overflow`, `tensor.mismatch`.
    static func narrow(_ floats: [Float], to type: ElementType) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: floats.count * type.byteCount)
        var span = result.mutableSpan
        var target = span.mutableBytes
        try FloatVectors.narrow(floats.span, type, into: &target)
        if let index = FloatVectors.firstNotFinite(result.span.bytes, type) {
            throw PVITError(
                .numberTooLarge, "the number \(floats[index]) is too large for \(type)",
                remedy: "choose bf16 or f32")
        }
        return result
    }
}
