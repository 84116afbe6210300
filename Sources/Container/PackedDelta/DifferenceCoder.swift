import CKernels
import Storage
import Tensors

extension ElementType {
    /// The type in the kernels of packed deltas; nil if they do not know it.
    package var differenceType: pvit_float_type? {
        switch self {
        case .f32: PVIT_FLOAT_F32
        case .f16: PVIT_FLOAT_F16
        case .bf16: PVIT_FLOAT_BF16
        case .f64, .i64, .i32, .i16, .i8, .u8, .bool: nil
        }
    }
}

extension TensorEncoding {
    /// The type of numbers whose differences can be coded; nil for other encodings.
    var differenceType: pvit_float_type? {
        if case .plain(let type) = self { type.differenceType } else { nil }
    }
}

/// Adaptive coding of numbers as differences from those of a base (`formats/packed_delta.md`).
enum DifferenceCoder {
    /// The two streams of a tile.
    struct Streams {
        /// The bytes of the range coder.
        let coded: [UInt8]
        /// The bits that are stored as they are.
        let raw: [UInt8]
    }

    /// Codes a tile.
    ///
    /// - Parameters:
    ///   - base: As many bytes as `content`.
    ///   - columns: The number of elements in a row; positive.
    /// - Returns: The streams, or nil if they take as many bytes as `content`, or more.
    static func encode(_ content: RawSpan, base: RawSpan, type: pvit_float_type, columns: Int) throws -> Streams? {
        let rows = try rowCount(content, base: base, type: type, columns: columns)
        let capacity = content.byteCount
        var probabilities = [UInt16](repeating: 0, count: pvit_difference_probability_count(type))
        var (codedSize, rawSize, fits) = (0, 0, false)
        var raw: [UInt8] = []
        let coded = [UInt8](unsafeUninitializedCapacity: capacity) { coded, codedCount in
            raw = [UInt8](unsafeUninitializedCapacity: capacity) { raw, rawCount in
                fits = content.withUnsafeBytes { content in
                    base.withUnsafeBytes { base in
                        pvit_encode_differences(
                            type, base.baseAddress, content.baseAddress, rows, columns, &probabilities,
                            coded.baseAddress, raw.baseAddress, capacity, &codedSize, &rawSize)
                    }
                }
                rawCount = fits ? rawSize : 0
            }
            codedCount = fits ? codedSize : 0
        }
        return fits && coded.count + raw.count < capacity ? Streams(coded: coded, raw: raw) : nil
    }

    /// Decodes a tile.
    ///
    /// - Parameter content: As many bytes as `base`.
    /// - Returns: False if the streams are not those of a tile of this size.
    static func decode(
        coded: RawSpan, raw: RawSpan, base: RawSpan, type: pvit_float_type, columns: Int,
        into content: inout MutableRawSpan
    ) throws -> Bool {
        let rows = try rowCount(content.bytes, base: base, type: type, columns: columns)
        var probabilities = [UInt16](repeating: 0, count: pvit_difference_probability_count(type))
        return coded.withUnsafeBytes { coded in
            raw.withUnsafeBytes { raw in
                base.withUnsafeBytes { base in
                    content.withUnsafeMutableBytes { content in
                        pvit_decode_differences(
                            type, base.baseAddress, coded.baseAddress, coded.count, raw.baseAddress, raw.count, rows,
                            columns, &probabilities, content.baseAddress)
                    }
                }
            }
        }
    }

    /// Checks the sizes of a tile and its base.
    private static func rowCount(
        _ content: RawSpan, base: RawSpan, type: pvit_float_type, columns: Int
    ) throws -> Int {
        let elementByteCount = type == PVIT_FLOAT_F32 ? 4 : 2
        guard columns > 0, content.byteCount > 0, content.byteCount == base.byteCount,
            content.byteCount % (columns * elementByteCount) == 0
        else { throw PVITError(.internalDefect, "a tile and its base have impossible sizes") }
        return content.byteCount / (columns * elementByteCount)
    }
}
