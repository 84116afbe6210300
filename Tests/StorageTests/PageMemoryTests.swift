import Testing

@testable import Storage

@Suite("Memory in whole pages")
struct PageMemoryTests {
    @Test(
        "memory that is large enough begins on a huge page, and all of it can be written",
        arguments: [
            1, 4096, 5000, 2 << 20, 3 << 20, (5 << 20) + 1,
        ])
    func aligned(byteCount: Int) throws {
        let memory = try PageMemory(byteCount: byteCount)
        let bytes = memory.bytes(0..<byteCount)
        let alignment = byteCount < 2 << 20 ? 4096 : 2 << 20
        #expect(Int(bitPattern: try #require(bytes.baseAddress)) % alignment == 0)
        bytes.initializeMemory(as: UInt8.self, repeating: 7)
        #expect(memory.withBytes(byteCount - 1..<byteCount) { $0.unsafeLoad(as: UInt8.self) } == 7)
    }

    @Test("memory of whole huge pages has a multiple of their size")
    func hugePages() throws {
        #expect(try PageMemory(hugePagesFor: 1).byteCount == 2 << 20)
        #expect(try PageMemory(hugePagesFor: 2 << 20).byteCount == 2 << 20)
        #expect(try PageMemory(hugePagesFor: (2 << 20) + 1).byteCount == 4 << 20)
    }
}
