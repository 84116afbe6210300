import CKernels
import Storage

/// Instruction sets that kernels exist for.
package enum InstructionSet: String, Sendable, Hashable, CaseIterable {
    /// Portable C: the definition of every kernel's result.
    case scalar
    /// AVX2, FMA and F16C.
    case avx2
    /// AVX2 with 256-bit dot products of bytes.
    case avxVNNI = "avx-vnni"
    /// AVX-512 F, BW, DQ, VL and VNNI.
    case avx512 = "avx512-vnni"
    /// Arm NEON, which every 64-bit Arm processor has.
    case neon
    /// NEON with dot products of bytes.
    case neonDot = "neon-dot"

    private var code: pvit_isa {
        switch self {
        case .scalar: PVIT_ISA_SCALAR
        case .avx2: PVIT_ISA_AVX2
        case .avxVNNI: PVIT_ISA_AVX_VNNI
        case .avx512: PVIT_ISA_AVX512_VNNI
        case .neon: PVIT_ISA_NEON
        case .neonDot: PVIT_ISA_NEON_DOT
        }
    }

    /// Whether this processor and operating system can run it.
    package var isSupported: Bool { pvit_kernels_for(code) != nil }

    /// Makes the process use the set from now on wherever it would use the best one.
    ///
    /// - Throws: `kernels.unsupported` when the machine cannot run it.
    package func useInProcess() throws {
        guard let kernels = pvit_kernels_for(code) else { throw Self.unsupported(rawValue) }
        pvit_use_kernels(kernels)
    }

    /// The table of kernels for an instruction set, or the best one that this machine has.
    ///
    /// - Throws: `kernels.unsupported` when the machine cannot run them.
    static func kernels(_ set: InstructionSet?) throws -> (set: Self, table: pvit_kernels) {
        guard let table = set.map({ pvit_kernels_for($0.code) }) ?? pvit_kernels_best(),
            let found = allCases.first(where: { $0.code == table.pointee.isa })
        else { throw unsupported(set?.rawValue ?? "any instruction set") }
        return (found, table.pointee)
    }

    private static func unsupported(_ what: String) -> PVITError {
        PVITError(.kernelsUnsupported, "this machine does not support \(what)")
    }
}

extension PVITError.Code {
    /// The processor or the operating system lacks an instruction set.
    package static let kernelsUnsupported = Self("kernels.unsupported", .usage)
}
