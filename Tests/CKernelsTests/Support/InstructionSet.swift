import CKernels
import Testing

/// An instruction set that this machine supports.
struct InstructionSet: Sendable, CustomTestStringConvertible {
    let isa: pvit_isa

    /// All but the scalar one.
    static let vectorised = [PVIT_ISA_AVX2, PVIT_ISA_AVX_VNNI, PVIT_ISA_AVX512_VNNI, PVIT_ISA_NEON, PVIT_ISA_NEON_DOT]
        .compactMap(
            InstructionSet.init)
    static let all = [InstructionSet.scalar] + vectorised
    static let scalar = InstructionSet(existing: PVIT_ISA_SCALAR)

    private init(existing isa: pvit_isa) { self.isa = isa }

    init?(_ isa: pvit_isa) {
        guard pvit_kernels_for(isa) != nil else { return nil }
        self.isa = isa
    }

    var kernels: pvit_kernels {
        guard let table = pvit_kernels_for(isa) else { fatalError("the instruction set went away") }
        return table.pointee
    }

    var testDescription: String { String(cString: kernels.name) }
}
