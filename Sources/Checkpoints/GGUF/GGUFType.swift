import Tensors

/// The supported element types of GGUF tensors (`ggml_type` of ggml.h).
///
/// A quantized type stores a row as blocks of a fixed number of elements:
///
/// | type   | elements | bytes | block                                                                            |
/// |--------|----------|-------|----------------------------------------------------------------------------------|
/// | Q4_0   | 32       | 18    | f16 d, 16 × 2 codes; d (q - 8)                                                   |
/// | Q4_1   | 32       | 20    | f16 d, f16 m, 16 × 2 codes; d q + m                                              |
/// | Q5_0   | 32       | 22    | f16 d, u32 fifth bits, 16 × 2 codes; d (q - 16)                                  |
/// | Q5_1   | 32       | 24    | f16 d, f16 m, u32 fifth bits, 16 × 2 codes; d q + m                              |
/// | Q8_0   | 32       | 34    | f16 d, 32 × i8; d q                                                              |
/// | Q2_K   | 256      | 84    | 16 × (4-bit scale, 4-bit minimum), 64 × 4 codes, f16 d, f16 dmin; d s q - dmin m |
/// | Q3_K   | 256      | 110   | 32 × 8 high bits, 64 × 4 codes, 16 6-bit scales, f16 d; d s (q - 4)              |
/// | Q4_K   | 256      | 144   | f16 d, f16 dmin, 8 × (6-bit scale, 6-bit minimum), 128 × 2 codes; d s q - dmin m |
/// | Q5_K   | 256      | 176   | as Q4_K with 32 × 8 high bits in front of the codes                              |
/// | Q6_K   | 256      | 210   | 128 × 2 low codes, 64 × 4 high codes, 16 × i8 scale, f16 d; d s (q - 32)         |
/// | IQ4_NL | 32       | 18    | as Q4_0 with a codebook of 16 values; d c                                        |
/// | IQ4_XS | 256      | 136   | f16 d, 8 6-bit scales, 128 × 2 codes of the same codebook; d (s - 32) c          |
package enum GGUFType: UInt32, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary32.
    case f32 = 0
    /// IEEE 754 binary16.
    case f16 = 1
    /// `Q4_0`.
    case q40 = 2
    /// `Q4_1`.
    case q41 = 3
    /// `Q5_0`.
    case q50 = 6
    /// `Q5_1`.
    case q51 = 7
    /// `Q8_0`.
    case q80 = 8
    /// `Q2_K`.
    case q2K = 10
    /// `Q3_K`.
    case q3K = 11
    /// `Q4_K`.
    case q4K = 12
    /// `Q5_K`.
    case q5K = 13
    /// `Q6_K`.
    case q6K = 14
    /// `IQ4_NL`.
    case iq4NL = 20
    /// `IQ4_XS`.
    case iq4XS = 23
    /// Two's complement, 8 bits.
    case i8 = 24
    /// Two's complement, 16 bits.
    case i16 = 25
    /// Two's complement, 32 bits.
    case i32 = 26
    /// Two's complement, 64 bits.
    case i64 = 27
    /// IEEE 754 binary64.
    case f64 = 28
    /// bfloat16.
    case bf16 = 30

    /// The type of the elements when they are read: f32 for quantized types.
    package var elementType: ElementType {
        switch self {
        case .f16: .f16
        case .bf16: .bf16
        case .f64: .f64
        case .i8: .i8
        case .i16: .i16
        case .i32: .i32
        case .i64: .i64
        case .f32, .q40, .q41, .q50, .q51, .q80, .q2K, .q3K, .q4K, .q5K, .q6K, .iq4NL, .iq4XS: .f32
        }
    }

    /// Whether elements are stored in blocks.
    package var isQuantized: Bool { elementsPerBlock > 1 }

    /// The number of elements in a block; 1 for types that have none.
    package var elementsPerBlock: Int {
        switch self {
        case .q40, .q41, .q50, .q51, .q80, .iq4NL: 32
        case .q2K, .q3K, .q4K, .q5K, .q6K, .iq4XS: 256
        case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: 1
        }
    }

    /// The size of a block in bytes.
    package var bytesPerBlock: Int {
        switch self {
        case .q40, .iq4NL: 18
        case .q41: 20
        case .q50: 22
        case .q51: 24
        case .q80: 34
        case .q2K: 84
        case .q3K: 110
        case .q4K: 144
        case .q5K: 176
        case .q6K: 210
        case .iq4XS: 136
        case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: elementType.byteCount
        }
    }

    /// The size of `count` elements in bytes, in whole blocks.
    package func byteCount(ofElements count: Int) -> Int {
        (count + elementsPerBlock - 1) / elementsPerBlock * bytesPerBlock
    }

    /// The name of an unsupported type that the format has or had; nil for numbers that it never had.
    static func unsupportedName(_ number: UInt32) -> String? {
        switch number {
        case 4: "Q4_2"
        case 5: "Q4_3"
        case 9: "Q8_1"
        case 15: "Q8_K"
        case 16: "IQ2_XXS"
        case 17: "IQ2_XS"
        case 18: "IQ3_XXS"
        case 19: "IQ1_S"
        case 21: "IQ3_S"
        case 22: "IQ2_S"
        case 29: "IQ1_M"
        case 31: "Q4_0_4_4"
        case 32: "Q4_0_4_8"
        case 33: "Q4_0_8_8"
        case 34: "TQ1_0"
        case 35: "TQ2_0"
        case 36: "IQ4_NL_4_4"
        case 37: "IQ4_NL_4_8"
        case 38: "IQ4_NL_8_8"
        case 39: "MXFP4"
        case 40: "NVFP4"
        case 41: "Q1_0"
        default: nil
        }
    }
}

extension GGUFType: CustomStringConvertible {
    /// The name in ggml: `Q4_K`, `F16`, …
    package var description: String {
        switch self {
        case .q40: "Q4_0"
        case .q41: "Q4_1"
        case .q50: "Q5_0"
        case .q51: "Q5_1"
        case .q80: "Q8_0"
        case .q2K: "Q2_K"
        case .q3K: "Q3_K"
        case .q4K: "Q4_K"
        case .q5K: "Q5_K"
        case .q6K: "Q6_K"
        case .iq4NL: "IQ4_NL"
        case .iq4XS: "IQ4_XS"
        case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: elementType.rawValue.uppercased()
        }
    }
}
