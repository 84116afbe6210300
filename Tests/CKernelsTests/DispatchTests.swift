import CKernels
import Testing

@Suite("Choice of kernels")
struct DispatchTests {
    @Test("the scalar kernels are always available, and the best kernels are supported")
    func choice() throws {
        #expect(try #require(pvit_kernels_for(PVIT_ISA_SCALAR)).pointee.isa == PVIT_ISA_SCALAR)
        let best = try #require(pvit_kernels_best())
        #expect(pvit_kernels_for(best.pointee.isa) == best)
    }
}
