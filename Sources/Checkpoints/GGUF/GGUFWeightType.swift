import Tensors

/// The type of the weights in a GGUF file that is written.
package enum GGUFWeightType: String, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary32.
    case f32
    /// IEEE 754 binary16.
    case f16
    /// bfloat16.
    case bf16
    /// Blocks of 32 8-bit codes with an f16 scale: 8.5 bits a weight.
    case q80 = "q8_0"
    /// Blocks of 32 4-bit codes with an f16 scale: 4.5 bits a weight.
    case q40 = "q4_0"
    /// Blocks of 32 4-bit codes with an f16 scale and an f16 minimum: 5 bits a weight.
    case q41 = "q4_1"

    /// The type of matrices.
    var matrixType: GGUFType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q80: .q80
        case .q40: .q40
        case .q41: .q41
        }
    }

    /// The element type for a safetensors file; nil for quantized types.
    package var elementType: ElementType? { matrixType.isQuantized ? nil : matrixType.elementType }

    /// `general.file_type` (`llama_ftype` of llama.h).
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q40: 2
        case .q41: 3
        case .q80: 7
        case .bf16: 32
        }
    }
}
