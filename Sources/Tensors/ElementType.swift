/// The type of one element of a tensor in a checkpoint: little-endian, densely packed.
package enum ElementType: String, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary64.
    case f64
    /// IEEE 754 binary32.
    case f32
    /// IEEE 754 binary16.
    case f16
    /// bfloat16: the upper half of a binary32.
    case bf16
    /// Two's complement, 64 bits.
    case i64
    /// Two's complement, 32 bits.
    case i32
    /// Two's complement, 16 bits.
    case i16
    /// Two's complement, 8 bits.
    case i8
    /// Unsigned, 8 bits.
    case u8
    /// One byte: 0 or 1.
    case bool

    /// The size of one element in bytes.
    package var byteCount: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16, .i16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether the elements are floating-point numbers.
    package var isFloatingPoint: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        case .i64, .i32, .i16, .i8, .u8, .bool: false
        }
    }
}

extension ElementType: CustomStringConvertible {
    /// The short name: `f16`, `bf16`, …
    package var description: String { rawValue }
}
