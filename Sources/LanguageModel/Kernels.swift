import CKernels
import Tensors

/// Instruction sets that kernels exist for.
public enum InstructionSet: String, Sendable, Hashable, CaseIterable {
    /// Portable C: the definition of every kernel's result.
    case scalar
    /// AVX2, FMA and F16C.
    case avx2
    /// AVX-512 F, BW, DQ, VL and VNNI.
    case avx512 = "avx512-vnni"
    /// Arm NEON, which every 64-bit Arm processor has.
    case neon
    /// NEON with dot products of bytes.
    case neonDot = "neon-dot"

    fileprivate var code: pvit_isa {
        switch self {
        case .scalar: PVIT_ISA_SCALAR
        case .avx2: PVIT_ISA_AVX2
        case .avx512: PVIT_ISA_AVX512_VNNI
        case .neon: PVIT_ISA_NEON
        case .neonDot: PVIT_ISA_NEON_DOT
        }
    }

    /// Whether this processor and operating system can run it.
    public var isSupported: Bool { pvit_kernels_for(code) != nil }
}

/// The kernels of one instruction set, as functions that are known to exist.
struct Kernels: Sendable {
    typealias Values = UnsafePointer<Float>?
    typealias Result = UnsafeMutablePointer<Float>?
    typealias Bytes = UnsafePointer<UInt8>?
    typealias Halves = UnsafePointer<UInt16>?
    typealias Widen = @convention(c) (Halves, Result, Int) -> Void
    typealias VectorProduct = @convention(c) (Bytes, Int, Int, Float, pvit_activations, Result) -> Void
    typealias WideVectorProduct = @convention(c) (Bytes, Int, Int, Float, pvit_wide_activations, Result) -> Void
    typealias MatrixProduct = @convention(c) (Bytes, Int, Int, Float, pvit_activations, Int, Result, Int) -> Void
    typealias WideMatrixProduct =
        @convention(c) (Bytes, Int, Int, Float, pvit_wide_activations, Int, Result, Int) -> Void
    typealias QuantizedRow = @convention(c) (Bytes, Int, Int, Float, Result) -> Void

    let name: String
    let widenF16: Widen
    let widenBF16: Widen
    let quantizeActivations:
        @convention(c) (Values, Int, UnsafeMutablePointer<Int8>?, Result, UnsafeMutablePointer<Int32>?) -> Void
    let quantizeWideActivations:
        @convention(c) (Values, Int, UnsafeMutablePointer<Int16>?, Result, UnsafeMutablePointer<Int32>?) -> Void
    let gemvQ8: WideVectorProduct
    let gemvQ4: VectorProduct
    let gemmQ8: WideMatrixProduct
    let gemmQ4: MatrixProduct
    let rowQ8: QuantizedRow
    let rowQ4: QuantizedRow
    let gemvF32: @convention(c) (Values, Int, Int, Values, Result) -> Void
    let gemvF16: @convention(c) (Halves, Int, Int, Values, Result) -> Void
    let gemvBF16: @convention(c) (Halves, Int, Int, Values, Result) -> Void
    let gemmF32: @convention(c) (Values, Int, Int, Values, Int, Int, Result, Int) -> Void
    let gemmF16: @convention(c) (Halves, Int, Int, Values, Int, Int, Result, Int) -> Void
    let gemmBF16: @convention(c) (Halves, Int, Int, Values, Int, Int, Result, Int) -> Void
    let rmsNorm: @convention(c) (Values, Values, Int, Float, Result) -> Void
    let rope: @convention(c) (Result, Int, Int, Values, Values) -> Void
    let swiglu: @convention(c) (Values, Values, Int, Result) -> Void
    let add: @convention(c) (Result, Values, Int) -> Void
    let storeKey: @convention(c) (Values, Int, pvit_kv_type, UnsafeMutableRawPointer?, Int) -> Void
    let storeValue: @convention(c) (Values, Int, pvit_kv_type, UnsafeMutableRawPointer?, Int) -> Void
    let attend:
        @convention(c) (
            Values, Int, Int, Int, UnsafeRawPointer?, UnsafeRawPointer?, pvit_kv_type, Int, Int, Float, Result, Result
        ) -> Void
    let readProbe: @convention(c) (UnsafeRawPointer?, Int) -> UInt64
    let dotProbe: @convention(c) (Int, UnsafeMutablePointer<UInt32>?) -> UInt64

    /// The kernels of `set`, or the best ones for this machine.
    ///
    /// - Throws: `kernels.unsupported` when the machine cannot run them.
    init(_ set: InstructionSet? = nil) throws {
        guard let table = set.map({ pvit_kernels_for($0.code) }) ?? pvit_kernels_best() else {
            throw PVITError(
                .kernelsUnsupported, "this machine does not support \(set?.rawValue ?? "any instruction set")")
        }
        let kernels = table.pointee
        guard let widenF16 = kernels.f16_to_f32, let widenBF16 = kernels.bf16_to_f32,
            let quantizeActivations = kernels.quantize_activations,
            let quantizeWideActivations = kernels.quantize_wide_activations,
            let gemvQ8 = kernels.gemv_q8, let gemvQ4 = kernels.gemv_q4,
            let gemmQ8 = kernels.gemm_q8, let gemmQ4 = kernels.gemm_q4,
            let rowQ8 = kernels.row_q8, let rowQ4 = kernels.row_q4,
            let gemvF32 = kernels.gemv_f32, let gemvF16 = kernels.gemv_f16, let gemvBF16 = kernels.gemv_bf16,
            let gemmF32 = kernels.gemm_f32, let gemmF16 = kernels.gemm_f16, let gemmBF16 = kernels.gemm_bf16,
            let rmsNorm = kernels.rms_norm, let rope = kernels.rope, let swiglu = kernels.swiglu,
            let add = kernels.add, let storeKey = kernels.store_key, let storeValue = kernels.store_value,
            let attend = kernels.attend, let readProbe = kernels.read_probe, let dotProbe = kernels.dot_probe
        else {
            throw PVITError(.internalDefect, "a kernel is missing from its table")
        }
        name = kernels.name.map { String(cString: $0) } ?? ""
        self.widenF16 = widenF16
        self.widenBF16 = widenBF16
        self.quantizeActivations = quantizeActivations
        self.quantizeWideActivations = quantizeWideActivations
        self.gemvQ8 = gemvQ8
        self.gemvQ4 = gemvQ4
        self.gemmQ8 = gemmQ8
        self.gemmQ4 = gemmQ4
        self.rowQ8 = rowQ8
        self.rowQ4 = rowQ4
        self.gemvF32 = gemvF32
        self.gemvF16 = gemvF16
        self.gemvBF16 = gemvBF16
        self.gemmF32 = gemmF32
        self.gemmF16 = gemmF16
        self.gemmBF16 = gemmBF16
        self.rmsNorm = rmsNorm
        self.rope = rope
        self.swiglu = swiglu
        self.add = add
        self.storeKey = storeKey
        self.storeValue = storeValue
        self.attend = attend
        self.readProbe = readProbe
        self.dotProbe = dotProbe
    }
}

extension PVITError.Code {
    /// The processor or the operating system lacks an instruction set.
    public static let kernelsUnsupported = Self("kernels.unsupported", .usage)
}
