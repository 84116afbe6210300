import Storage

/// Encodes GGUF's simple quantized types with the bits of ggml's reference encoders (`quantize_row_q8_0_ref`,
/// `quantize_row_q4_0_ref` and `quantize_row_q4_1_ref` of ggml-quants.c).
package enum GGUFBlockEncoder {
    /// The types that can be written.
    static let types: [GGUFType] = [.q80, .q40, .q41]

    /// Encodes finite numbers, a multiple of 32.
    ///
    /// - Throws: `quantize.overflow` when a scale is too large for f16; `internal.defect` for other types or counts.
    package static func encode(_ values: Span<Float>, _ type: GGUFType) throws -> [UInt8] {
        guard types.contains(type), values.count % 32 == 0 else {
            throw PVITError(.internalDefect, "\(values.count) numbers cannot be encoded as \(type)")
        }
        var output: [UInt8] = []
        output.reserveCapacity(values.count / 32 * type.bytesPerBlock)
        for start in stride(from: 0, to: values.count, by: 32) {
            let block = values.extracting(start..<start + 32)
            switch type {
            case .q80: try appendQ80(block, &output)
            case .q40: try appendQ40(block, &output)
            default: try appendQ41(block, &output)
            }
        }
        return output
    }

    private static func appendQ80(_ block: Span<Float>, _ output: inout [UInt8]) throws {
        var largest: Float = 0
        for index in 0..<32 { largest = max(largest, block[index].magnitude) }
        let d = largest / 127
        try appendHalf(d, &output)
        let inverse = inverse(d)
        for index in 0..<32 {
            let code = (block[index] * inverse).rounded(.toNearestOrAwayFromZero)
            output.append(UInt8(bitPattern: Int8(code)))
        }
    }

    private static func appendQ40(_ block: Span<Float>, _ output: inout [UInt8]) throws {
        var extreme: Float = 0
        for index in 0..<32 where block[index].magnitude > extreme.magnitude { extreme = block[index] }
        let d = extreme / -8
        try appendHalf(d, &output)
        let inverse = inverse(d)
        for index in 0..<16 {
            let low = min(15, UInt8(block[index] * inverse + 8.5))
            let high = min(15, UInt8(block[index + 16] * inverse + 8.5))
            output.append(low | high << 4)
        }
    }

    private static func appendQ41(_ block: Span<Float>, _ output: inout [UInt8]) throws {
        var (smallest, largest) = (block[0], block[0])
        for index in 1..<32 {
            smallest = min(smallest, block[index])
            largest = max(largest, block[index])
        }
        let d = (largest - smallest) / 15
        try appendHalf(d, &output)
        try appendHalf(smallest, &output)
        let inverse = inverse(d)
        for index in 0..<16 {
            let low = min(15, UInt8((block[index] - smallest) * inverse + 0.5))
            let high = min(15, UInt8((block[index + 16] - smallest) * inverse + 0.5))
            output.append(low | high << 4)
        }
    }

    /// 1 / d; 0 for a scale that is zero, or so small that it is zero as f16 and has no finite inverse.
    private static func inverse(_ d: Float) -> Float {
        let inverse = 1 / d
        return inverse.isFinite ? inverse : 0
    }

    private static func appendHalf(_ value: Float, _ output: inout [UInt8]) throws {
        let half = Float16(value)
        guard half.isFinite else {
            throw PVITError(
                .numberTooLarge, "a block has the scale \(value), which is too large for f16",
                remedy: "choose bf16 or f32")
        }
        output.appendLittleEndian(half.bitPattern)
    }
}
