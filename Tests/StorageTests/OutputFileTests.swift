import Foundation
import Storage
import SystemPackage
import Testing

@Suite("Output files")
struct OutputFileTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "pvit-output-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> FilePath { FilePath(folder.appending(path: name).path) }

    /// Expects one file in the folder, with this text.
    private func expectOnlyFile(_ name: String, _ text: String) throws {
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [name])
        #expect(try String(contentsOfFile: path(name).string, encoding: .utf8) == text)
    }

    @Test("nothing has the name before the commit, everything after it")
    func commit() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var file = try OutputFile(path: path("a"))
        try file.append(Array("hello world".utf8))
        #expect(!FileManager.default.fileExists(atPath: path("a").string))
        try file.commit()
        try expectOnlyFile("a", "hello world")
    }

    @Test("a file that is dropped leaves the earlier one and nothing else")
    func dropped() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("before".utf8).write(to: folder.appending(path: "a"))
        do {
            var file = try OutputFile(path: path("a"))
            try file.append(Array("after".utf8))
        }
        try expectOnlyFile("a", "before")
    }

    @Test("a commit replaces the earlier file")
    func replaced() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("before".utf8).write(to: folder.appending(path: "a"))
        var file = try OutputFile(path: path("a"))
        try file.append(Array("after".utf8))
        try file.commit()
        try expectOnlyFile("a", "after")
    }

    @Test("an absent folder, or a folder of that name, cannot be written")
    func cannotCreate() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["absent/a", ""] {
            let error = #expect(throws: PVITError.self) { _ = try OutputFile(path: path(name)) }
            #expect(error?.code == .cannotCreate)
        }
    }
}

@Suite("Mapped files")
struct MappedFileTests {
    @Test("ranges inside the file are lent and others are refused")
    func ranges() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pvit-mapped-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data(0..<100).write(to: url)
        let file = try MappedFile(path: FilePath(url.path))
        #expect(file.byteCount == 100)
        #expect(try file.withBytes(10..<12) { try $0.littleEndian(at: 0, as: UInt16.self) } == 0x0B0A)
        #expect(try file.withBytes(100..<100) { $0.byteCount } == 0)
        for range in [99..<101, -1..<3, 200..<201] {
            let error = #expect(throws: PVITError.self) { try file.withBytes(range) { _ in } }
            #expect(error?.code == .truncated)
        }
    }

    @Test("an empty file maps, an absent one and a folder do not")
    func special() throws {
        let folder = FileManager.default.temporaryDirectory
        let url = folder.appending(path: "pvit-mapped-\(UUID().uuidString)")
        let absent = #expect(throws: PVITError.self) { _ = try MappedFile(path: FilePath(url.path)) }
        #expect(absent?.code == .fileNotFound)
        let notAFile = #expect(throws: PVITError.self) { _ = try MappedFile(path: FilePath(folder.path)) }
        #expect(notAFile?.code == .fileUnreadable)
        defer { try? FileManager.default.removeItem(at: url) }
        try Data().write(to: url)
        #expect(try MappedFile(path: FilePath(url.path)).withBytes(0..<0) { $0.byteCount } == 0)
    }

    @Test("a pipe that nobody writes to is refused at once")
    func pipe() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pvit-mapped-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try #require(mkfifo(url.path, 0o600) == 0)
        let error = #expect(throws: PVITError.self) { _ = try MappedFile(path: FilePath(url.path)) }
        #expect(error?.code == .fileUnreadable && error?.file == url.path)
    }
}
