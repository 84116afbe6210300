import Testing

@testable import Platform

@Suite("Usable processors")
struct MachineProcessorsTests {
    @Test("the smallest of affinity mask, online processors and quota, rounded up, and at least one")
    func processors() {
        #expect(MachineProcessors.available(allowed: 8, online: 16, quota: nil) == 8)
        #expect(MachineProcessors.available(allowed: 8, online: 4, quota: nil) == 4)
        #expect(MachineProcessors.available(allowed: 8, online: 16, quota: 2.2) == 3)
        #expect(MachineProcessors.available(allowed: 8, online: 16, quota: 0.1) == 1)
        #expect(MachineProcessors.available(allowed: nil, online: 6, quota: 1e30) == 6)
        #expect(MachineProcessors.available(allowed: nil, online: -1, quota: nil) == 1)
        #expect(MachineProcessors.available(allowed: nil, online: 0, quota: 2) == 2)
        #expect(MachineProcessors.available >= 1)
    }
}
