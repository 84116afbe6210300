import Foundation
import SystemPackage
import Testing

@testable import Storage

@Suite("Files that cannot be mapped as usual")
struct UnmappableFileTests {
    private static let byteCount = 3 * 4096 + 5

    private func withFile(_ body: (FilePath) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pvit-unmappable-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data((0..<Self.byteCount).map { UInt8($0 % 251) }).write(to: url)
        try body(FilePath(url.path))
    }

    private func check(_ file: borrowing MappedFile) throws {
        for range in [0..<Self.byteCount, 4090..<4100, Self.byteCount - 1..<Self.byteCount] {
            let bytes = try file.withBytes(range) { try $0.copyBytes(0..<$0.byteCount) }
            #expect(bytes == range.map { UInt8($0 % 251) })
        }
    }

    @Test("without shared mappings a private one is used")
    func privateMapping() throws {
        try withFile { path in
            let file = try MappedFile(path: path) { size, flags, descriptor in
                flags == MAP_SHARED ? MAP_FAILED : MappedFile.systemMapping(size, flags, descriptor)
            }
            let isCopy = file.isCopy
            #expect(!isCopy)
            try check(file)
            file.advise(.dontNeed, 0..<Self.byteCount)
            try check(file)
        }
    }

    @Test("without any mappings the file is read, and advice changes nothing of it")
    func reading() throws {
        try withFile { path in
            let file = try MappedFile(path: path) { _, _, _ in MAP_FAILED }
            let isCopy = file.isCopy
            #expect(isCopy)
            try check(file)
            file.advise(.dontNeed, 0..<Self.byteCount)
            try check(file)
            // The bytes are there whatever becomes of the file.
            #expect(truncate(path.string, 10) == 0)
            try file.checkLength(for: 0..<Self.byteCount)
            try check(file)
        }
    }

    @Test("an empty file needs no mapping")
    func empty() throws {
        try withFile { path in
            #expect(truncate(path.string, 0) == 0)
            let file = try MappedFile(path: path) { _, _, _ in MAP_FAILED }
            let (byteCount, isCopy) = (file.byteCount, file.isCopy)
            #expect(byteCount == 0 && !isCopy)
        }
    }

    @Test("a file that has no room in memory is refused in one line")
    func tooLarge() throws {
        try withFile { path in
            // More than there are addresses: no memory is ever used.
            guard truncate(path.string, off_t(1) << 43) == 0 else { return }
            let error = #expect(throws: PVITError.self) {
                _ = try MappedFile(path: path) { _, _, _ in MAP_FAILED }
            }
            #expect(error?.code == .fileUnreadable && error?.remedy == "copy the file to a local disk")
        }
    }

    @Test("blocks are read past the page cache or through it, with the same result")
    func direct() throws {
        try withFile { path in
            let mapped = try MappedFile(path: path)
            let file = try DirectFile(reopening: mapped)
            let memory = UnsafeMutableRawBufferPointer.allocate(
                byteCount: DirectFile.blocks(of: 0..<Self.byteCount).count, alignment: DirectFile.blockByteCount)
            defer { memory.deallocate() }
            try file.read(0..<Self.byteCount, into: memory)
            #expect(memory.prefix(Self.byteCount).elementsEqual((0..<Self.byteCount).map { UInt8($0 % 251) }))
        }
    }
}
