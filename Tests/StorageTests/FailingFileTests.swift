import Storage
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Files that are cut while they are mapped. A process that does not expect that dies of SIGBUS.
@Suite struct FailingFileTests {
    private static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

    /// A file of ones, removed at the end.
    private final class SampleFile {
        let path: FilePath
        let byteCount: Int

        init(byteCount: Int) throws {
            path = FilePath("/tmp/pvit-failing-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
            self.byteCount = byteCount
            let descriptor = try FileDescriptor.open(
                path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
            defer { try? descriptor.close() }
            try descriptor.writeAll([UInt8](repeating: 1, count: byteCount))
        }

        deinit { unlink(path.string) }

        func cut(to size: Int) { #expect(truncate(path.string, off_t(size)) == 0) }
    }

    private func sum(_ file: borrowing MappedFile, _ range: Range<Int>) throws -> Int {
        try file.withBytes(range) { bytes in
            bytes.withUnsafeBytes { $0.reduce(0) { $0 + Int($1) } }
        }
    }

    private func error<Result>(of body: () throws -> Result) -> PVITError? {
        do {
            _ = try body()
            return nil
        } catch {
            return error as? PVITError
        }
    }

    @Test("bytes that a cut file has lost are an error that names them, and those before are still delivered")
    func cutFile() throws {
        let page = Self.pageSize
        let sample = try SampleFile(byteCount: 5 * page + 7)
        let file = try MappedFile(path: sample.path)
        #expect(try sum(file, 0..<sample.byteCount) == sample.byteCount)
        sample.cut(to: 2 * page)
        let failure = error { try sum(file, page..<4 * page) }
        #expect(failure?.code == .readFailed)
        #expect(failure?.code.category.rawValue == 74)
        #expect(failure?.file == sample.path.string)
        #expect(failure?.bytes == UInt64(2 * page)..<UInt64(4 * page))
        #expect(failure?.what == "the file was truncated from \(5 * page + 7) to \(2 * page) bytes while it was in use")
        #expect(try sum(file, 0..<2 * page) == 2 * page)
        #expect(error { try sum(file, 5 * page..<5 * page + 7) }?.code == .readFailed)
    }

    @Test("a file that is cut to nothing is an error from its first byte on")
    func emptiedFile() throws {
        let sample = try SampleFile(byteCount: 100)
        let file = try MappedFile(path: sample.path)
        sample.cut(to: 0)
        #expect(error { try sum(file, 10..<20) }?.bytes == 10..<20)
    }

    @Test("an error that comes of the zeros gives way to the cause")
    func causeComesFirst() throws {
        let page = Self.pageSize
        let sample = try SampleFile(byteCount: 2 * page)
        let file = try MappedFile(path: sample.path)
        sample.cut(to: page)
        let failure = error {
            try file.withBytes(0..<2 * page) { bytes in
                guard bytes.unsafeLoad(fromByteOffset: page, as: UInt8.self) == 1 else {
                    throw PVITError(.internalDefect, "a zero")
                }
            }
        }
        #expect(failure?.code == .readFailed)
    }

    @Test("the rest of the page in which a file is cut is missed where it is asked for")
    func cutWithinPage() throws {
        let sample = try SampleFile(byteCount: 2 * Self.pageSize)
        let file = try MappedFile(path: sample.path)
        sample.cut(to: Self.pageSize + 5)
        #expect(throws: Never.self) { try file.checkLength(for: 0..<Self.pageSize + 5) }
        let failure = error { try file.checkLength(for: 0..<2 * Self.pageSize) }
        #expect(failure?.code == .readFailed)
        #expect(failure?.bytes == UInt64(Self.pageSize + 5)..<UInt64(2 * Self.pageSize))
    }

    @Test("a file that another one replaces is still read whole")
    func replacedFile() throws {
        let sample = try SampleFile(byteCount: 3 * Self.pageSize)
        let file = try MappedFile(path: sample.path)
        let other = try SampleFile(byteCount: 10)
        #expect(rename(other.path.string, sample.path.string) == 0)
        #expect(try sum(file, 0..<sample.byteCount) == sample.byteCount)
        #expect(throws: Never.self) { try file.checkLength(for: 0..<sample.byteCount) }
    }

    @Test("threads that read a cut file at once all learn of it, and other files are not touched")
    func manyThreads() async throws {
        let page = Self.pageSize
        for _ in 0..<20 {
            let sample = try SampleFile(byteCount: 64 * page)
            let other = try SampleFile(byteCount: 64 * page)
            let file = SharedFile(try MappedFile(path: sample.path))
            let untouched = SharedFile(try MappedFile(path: other.path))
            sample.cut(to: 8 * page)
            await withTaskGroup(of: (Int, PVITError.Code?, Int?).self) { group in
                for part in 0..<64 {
                    group.addTask {
                        let range = part * page..<(part + 1) * page
                        let code = self.error { try self.sum(file.file, range) }?.code
                        return (part, code, try? self.sum(untouched.file, range))
                    }
                }
                for await (part, code, otherSum) in group {
                    #expect(code == (part < 8 ? nil : .readFailed))
                    #expect(otherSum == page)
                }
            }
        }
    }

    private final class SharedFile: Sendable {
        let file: MappedFile
        init(_ file: consuming MappedFile) { self.file = file }
    }
}
