import Storage

extension GGUFType {
    /// Turns blocks into f32 numbers, with the bits that the `gguf` Python package gives: every product and every sum
    /// is rounded by itself.
    ///
    /// - Parameters:
    ///   - blocks: Whole blocks of this quantized type.
    ///   - result: Room for `elementsPerBlock` f32 numbers for each block.
    /// - Throws: `internal.defect` when the sizes do not fit or the type has no blocks.
    func decode(_ blocks: RawSpan, into result: inout MutableRawSpan) throws {
        let count = blocks.byteCount / bytesPerBlock
        guard isQuantized, blocks.byteCount == count * bytesPerBlock,
            result.byteCount == count * elementsPerBlock * 4
        else { throw PVITError(.internalDefect, "\(blocks.byteCount) bytes of \(self) do not fill the destination") }
        let decodeBlock =
            switch self {
            case .q40: SmallBlocks.q40
            case .q41: SmallBlocks.q41
            case .q50: SmallBlocks.q50
            case .q51: SmallBlocks.q51
            case .q80: SmallBlocks.q80
            case .iq4NL: SmallBlocks.iq4NL
            case .q2K: SuperBlocks.q2K
            case .q3K: SuperBlocks.q3K
            case .q4K: SuperBlocks.q4K
            case .q5K: SuperBlocks.q5K
            case .q6K: SuperBlocks.q6K
            case .iq4XS: SuperBlocks.iq4XS
            case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64:
                throw PVITError(.internalDefect, "\(self) has no blocks")
            }
        for block in 0..<count {
            decodeBlock(
                blocks.extracting(block * bytesPerBlock..<(block + 1) * bytesPerBlock), &result,
                block * elementsPerBlock)
        }
    }
}

/// The 16 values of the IQ4 types (`kvalues_iq4nl` of ggml-common.h).
private let codebook: InlineArray<16, Float> = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]

extension RawSpan {
    /// The byte at `offset`.
    @inline(__always)
    fileprivate func byte(_ offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// The f16 number at `offset`.
    @inline(__always)
    fileprivate func half(_ offset: Int) -> Float {
        Float(Float16(bitPattern: UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))))
    }

    /// The 32-bit word at `offset`.
    @inline(__always)
    fileprivate func word(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

extension MutableRawSpan {
    /// Stores the f32 number of an element.
    @inline(__always)
    fileprivate mutating func put(_ value: Float, _ element: Int) {
        storeBytes(of: value, toByteOffset: element * 4, as: Float.self)
    }
}

/// Blocks of 32 elements. Byte j of the 4-bit codes holds element j in its low half and element 16 + j in its high
/// half.
private enum SmallBlocks {
    static func q40(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(0)
        for j in 0..<16 {
            let codes = block.byte(2 + j)
            result.put(d * Float(Int(codes & 15) - 8), start + j)
            result.put(d * Float(Int(codes >> 4) - 8), start + 16 + j)
        }
    }

    static func q41(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let (d, m) = (block.half(0), block.half(2))
        for j in 0..<16 {
            let codes = block.byte(4 + j)
            result.put(d * Float(codes & 15) + m, start + j)
            result.put(d * Float(codes >> 4) + m, start + 16 + j)
        }
    }

    static func q50(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let (d, high) = (block.half(0), block.word(2))
        for j in 0..<16 {
            let codes = block.byte(6 + j)
            let low = UInt32(codes & 15) | (high >> UInt32(j) & 1) << 4
            let upper = UInt32(codes >> 4) | (high >> UInt32(16 + j) & 1) << 4
            result.put(d * Float(Int(low) - 16), start + j)
            result.put(d * Float(Int(upper) - 16), start + 16 + j)
        }
    }

    static func q51(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let (d, m, high) = (block.half(0), block.half(2), block.word(4))
        for j in 0..<16 {
            let codes = block.byte(8 + j)
            let low = UInt32(codes & 15) | (high >> UInt32(j) & 1) << 4
            let upper = UInt32(codes >> 4) | (high >> UInt32(16 + j) & 1) << 4
            result.put(d * Float(low) + m, start + j)
            result.put(d * Float(upper) + m, start + 16 + j)
        }
    }

    static func q80(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(0)
        for j in 0..<32 { result.put(d * Float(Int8(bitPattern: block.byte(2 + j))), start + j) }
    }

    static func iq4NL(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(0)
        for j in 0..<16 {
            let codes = block.byte(2 + j)
            result.put(d * codebook[Int(codes & 15)], start + j)
            result.put(d * codebook[Int(codes >> 4)], start + 16 + j)
        }
    }
}

/// Blocks of 256 elements, in runs of 16 or 32 with a scale of their own.
private enum SuperBlocks {
    // Code l of run r (32 elements each) is in byte 32 (r / 4) + l, bits 2 (r % 4) and up.
    static func q2K(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let (d, dmin) = (block.half(80), block.half(82))
        for half in 0..<16 {
            let scales = block.byte(half)
            let (scale, minimum) = (d * Float(scales & 15), dmin * Float(scales >> 4))
            let run = half / 2
            let codes = 16 + run / 4 * 32 + half % 2 * 16
            let shift = UInt8(run % 4 * 2)
            for l in 0..<16 {
                result.put(scale * Float(block.byte(codes + l) >> shift & 3) - minimum, start + half * 16 + l)
            }
        }
    }

    // As Q2_K; the high bit of element l of run r is bit r of byte l, and *clear* means 4 less.
    static func q3K(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(108)
        for half in 0..<16 {
            let low = block.byte(96 + half % 8) >> UInt8(half / 8 * 4) & 15
            let high = block.byte(104 + half % 4) >> UInt8(half / 4 * 2) & 3
            let scale = d * Float(Int(low | high << 4) - 32)
            let run = half / 2
            let codes = 32 + run / 4 * 32 + half % 2 * 16
            let shift = UInt8(run % 4 * 2)
            for l in 0..<16 {
                let code = Int(block.byte(codes + l) >> shift & 3)
                let isHigh = block.byte(half % 2 * 16 + l) >> UInt8(run) & 1 == 1
                result.put(scale * Float(isHigh ? code : code - 4), start + half * 16 + l)
            }
        }
    }

    /// The 6-bit scale and minimum of run `run` (0..<8), packed in the 12 bytes at offset 4 of Q4_K and Q5_K.
    @inline(__always)
    private static func scaleAndMinimum(_ block: RawSpan, _ run: Int) -> (scale: Float, minimum: Float) {
        guard run >= 4 else { return (Float(block.byte(4 + run) & 63), Float(block.byte(8 + run) & 63)) }
        let shared = block.byte(8 + run)
        return (
            Float(shared & 15 | block.byte(run) >> 2 & 0x30), Float(shared >> 4 | block.byte(4 + run) >> 2 & 0x30)
        )
    }

    static func q4K(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        runsOf32(block, &result, start, codesOffset: 16) { _, _, _ in 0 }
    }

    // As Q4_K; the fifth bit of element l of run r is bit r of byte l.
    static func q5K(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        runsOf32(block, &result, start, codesOffset: 48) { block, l, run in
            block.byte(16 + l) >> UInt8(run) & 1
        }
    }

    /// Decodes Q4_K or Q5_K. Code l of run r is in byte 32 (r / 2) + l, in the low half for even runs.
    ///
    /// - Parameter fifthBit: The fifth bit of element l of a run.
    @inline(__always)
    private static func runsOf32(
        _ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int, codesOffset: Int,
        fifthBit: (_ block: RawSpan, _ l: Int, _ run: Int) -> UInt8
    ) {
        let (d, dmin) = (block.half(0), block.half(2))
        for run in 0..<8 {
            let packed = scaleAndMinimum(block, run)
            let (scale, minimum) = (d * packed.scale, dmin * packed.minimum)
            let codes = codesOffset + run / 2 * 32
            let shift = UInt8(run % 2 * 4)
            for l in 0..<32 {
                let code = block.byte(codes + l) >> shift & 15 | fifthBit(block, l, run) << 4
                result.put(scale * Float(code) - minimum, start + run * 32 + l)
            }
        }
    }

    // In each half of 128 elements: the low bits of runs 0 and 1 are the low halves of 64 bytes, those of runs 2 and 3
    // the high halves; the high bits of run r are bits 2 r and up of 32 bytes.
    static func q6K(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(208)
        for half in 0..<16 {
            let scale = d * Float(Int8(bitPattern: block.byte(192 + half)))
            let (section, run, offset) = (half / 8, half / 2 % 4, half % 2 * 16)
            let low = section * 64 + run % 2 * 32 + offset
            let high = 128 + section * 32 + offset
            for l in 0..<16 {
                let code =
                    block.byte(low + l) >> UInt8(run / 2 * 4) & 15 | (block.byte(high + l) >> UInt8(run * 2) & 3) << 4
                result.put(scale * Float(Int(code) - 32), start + half * 16 + l)
            }
        }
    }

    static func iq4XS(_ block: RawSpan, _ result: inout MutableRawSpan, _ start: Int) {
        let d = block.half(0)
        let high = block.word(0) >> 16
        for run in 0..<8 {
            let low = UInt32(block.byte(4 + run / 2) >> UInt8(run % 2 * 4) & 15)
            let scale = d * Float(Int(low | (high >> UInt32(2 * run) & 3) << 4) - 32)
            let codes = 8 + run * 16
            for l in 0..<16 {
                let pair = block.byte(codes + l)
                result.put(scale * codebook[Int(pair & 15)], start + run * 32 + l)
                result.put(scale * codebook[Int(pair >> 4)], start + run * 32 + 16 + l)
            }
        }
    }
}
