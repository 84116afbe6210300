import Foundation
import SystemPackage
import Testing

@testable import Storage

@Suite("Where outputs go")
struct OutputDestinationTests {
    /// A folder that is removed with its owner.
    private final class Folder {
        let path: FilePath

        init() throws {
            let url = FileManager.default.temporaryDirectory.appending(path: "pvit-outputs-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            path = FilePath(url.path)
        }

        deinit { try? FileManager.default.removeItem(atPath: path.string) }

        func callAsFunction(_ name: String) -> FilePath { path.appending(name) }

        func link(_ name: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(atPath: self(name).string, withDestinationPath: target)
        }

        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: self(name).string))
        }

        func text(_ name: String) throws -> String { try String(contentsOfFile: self(name).string, encoding: .utf8) }

        var entries: [String] {
            get throws { try FileManager.default.contentsOfDirectory(atPath: path.string).sorted() }
        }

        func isLink(_ name: String) throws -> Bool { try FileStatus(of: self(name), followsLinks: false).kind == .link }
    }

    private static var isRoot: Bool { geteuid() == 0 }
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func write(_ text: String, to path: FilePath, unnamed: Bool = true) throws {
        var file = try OutputFile(path: path, usingUnnamedFiles: unnamed)
        try file.append(Array(text.utf8))
        try file.commit()
    }

    private func refusal(_ path: FilePath) -> PVITError? {
        #expect(throws: PVITError.self) { _ = try OutputFile(path: path) }
    }

    @Test("a link stays, and what it leads to is replaced, with and without unnamed files", arguments: [true, false])
    func links(unnamed: Bool) throws {
        try FileManager.default.createDirectory(atPath: folder("sub").string, withIntermediateDirectories: false)
        try folder.write("sub/target", "before")
        try folder.link("second", to: "sub/target")
        try folder.link("first", to: folder("second").string)
        try write("after", to: folder("first"), unnamed: unnamed)
        #expect(try folder.isLink("first") && folder.isLink("second"))
        #expect(try folder.text("sub/target") == "after")
        #expect(try folder.entries == ["first", "second", "sub"])
        // A link whose end does not exist yet.
        try folder.link("dangling", to: "sub/new")
        try write("new", to: folder("dangling"), unnamed: unnamed)
        #expect(try folder.isLink("dangling") && folder.text("sub/new") == "new")
        // One whose end cannot exist.
        try folder.link("astray", to: "absent/new")
        #expect(refusal(folder("astray"))?.code == .cannotCreate)
    }

    @Test("links in a circle are refused in one line")
    func circle() throws {
        try folder.link("a", to: "b")
        try folder.link("b", to: "a")
        #expect(refusal(folder("a"))?.what == "the symbolic links form a circle")
    }

    @Test("a folder replaces an empty or absent folder that a link leads to", arguments: [true, false])
    func folderLinks(isThere: Bool) throws {
        if isThere {
            try FileManager.default.createDirectory(atPath: folder("target").string, withIntermediateDirectories: false)
        }
        try folder.link("link", to: "target")
        var output = try OutputFolder(path: folder("link"))
        try output.add(name: "a", bytes: [1])
        try output.commit()
        #expect(try folder.isLink("link"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder("target").string) == ["a"])
        #expect(try folder.entries == ["link", "target"])
    }

    @Test("a pipe is written to and stays")
    func pipe() throws {
        #expect(mkfifo(folder("pipe").string, 0o600) == 0)
        let reader = open(folder("pipe").string, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try write("through", to: folder("pipe"))
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = read(reader, &bytes, bytes.count)
        #expect(count == 7 && bytes.starts(with: Array("through".utf8)))
        #expect(try FileStatus(of: folder("pipe")).kind == .pipe)
        #expect(try folder.entries == ["pipe"])
    }

    @Test("a pipe whose reader has gone is an error and not the end of the process")
    func brokenPipe() throws {
        #expect(mkfifo(folder("pipe").string, 0o600) == 0)
        let reader = open(folder("pipe").string, O_RDONLY | O_NONBLOCK)
        var file = try OutputFile(path: folder("pipe"))
        close(reader)
        do {
            try file.append([1])
            Issue.record("the write succeeded")
        } catch let error as PVITError {
            #expect(error.code == .writeFailed && error.remedy == "the program that reads it must read to the end")
        }
    }

    @Test("a character device is written to and stays; block devices are refused", .enabled(if: isRoot))
    func devices() throws {
        #expect(mknod(folder("null").string, S_IFCHR | 0o666, 1 << 8 | 3) == 0)
        try write("text", to: folder("null"))
        #expect(try FileStatus(of: folder("null")).kind == .characterDevice)
        // A number that no driver has.
        #expect(mknod(folder("disk").string, S_IFBLK | 0o666, 120 << 8) == 0)
        #expect(refusal(folder("disk"))?.code == .cannotCreate)
        try folder.link("link", to: "disk")
        #expect(refusal(folder("link"))?.code == .cannotCreate)
        #expect(try FileStatus(of: folder("disk")).kind == .blockDevice)
        #expect(throws: PVITError.self) { _ = try OutputFolder(path: folder("null")) }
    }

    @Test("a socket is refused and stays")
    func socketNode() throws {
        #expect(mknod(folder("socket").string, S_IFSOCK | 0o600, 0) == 0)
        #expect(refusal(folder("socket"))?.code == .cannotCreate)
        #expect(try FileStatus(of: folder("socket")).kind == .socket)
    }

    @Test("a file that the shell has opened as a stream is continued")
    func openFile() throws {
        try folder.write("log", "before\n")
        let descriptor = open(folder("log").string, O_RDWR)
        defer { close(descriptor) }
        try folder.link("stream", to: "/proc/self/fd/\(descriptor)")
        try write("after\n", to: folder("stream"))
        #expect(try folder.text("log") == "before\nafter\n" && folder.isLink("stream"))
    }

    @Test("permissions and owner of a replaced file stay, with and without unnamed files", arguments: [true, false])
    func permissions(unnamed: Bool) throws {
        try folder.write("a", "before")
        let owner = Self.isRoot ? (user: uid_t(12345), group: gid_t(54321)) : (user: geteuid(), group: getegid())
        #expect(chown(folder("a").string, owner.user, owner.group) == 0)
        #expect(chmod(folder("a").string, 0o604) == 0)
        try write("after", to: folder("a"), unnamed: unnamed)
        let status = try FileStatus(of: folder("a"))
        #expect(status.permissions == 0o604 && status.owner.user == owner.user && status.owner.group == owner.group)
        #expect(try folder.text("a") == "after")
    }

    @Test(
        "names may be as long as the file system allows, and longer ones are refused at once", arguments: [true, false])
    func longNames(unnamed: Bool) throws {
        let name = String(repeating: "é", count: 127) + "x"
        try write("text", to: folder(name), unnamed: unnamed)
        #expect(try folder.entries == [name])
        #expect(refusal(folder(name + "x"))?.code == .cannotCreate)
    }

    @Test("a device that got the name before the commit is not replaced")
    func lateNode() throws {
        var file = try OutputFile(path: folder("a"))
        try file.append([1])
        #expect(mkfifo(folder("a").string, 0o600) == 0)
        do {
            try file.commit()
            Issue.record("the commit succeeded")
        } catch let error as PVITError {
            #expect(error.code == .cannotCreate)
        }
        #expect(try FileStatus(of: folder("a")).kind == .pipe)
        #expect(try folder.entries == ["a"])
    }

    @Test("an input is known by all its names")
    func inputs() throws {
        try folder.write("input", "1")
        try folder.write("other", "2")
        try folder.link("soft", to: "input")
        #expect(link(folder("input").string, folder("hard").string) == 0)
        var inputs = InputFiles()
        inputs.add(file: folder("soft"))
        inputs.add(file: folder("absent"))
        for name in ["input", "soft", "hard", "./input"] {
            let error = #expect(throws: PVITError.self) { try inputs.requireApart(folder(name)) }
            #expect(error?.code == .outputIsInput && error?.code.category == .usage)
        }
        for name in ["other", "new", "absent"] { try inputs.requireApart(folder(name)) }
    }

    @Test("names that are read from a folder are not written there, whichever way leads to it")
    func folders() throws {
        try folder.link("way", to: ".")
        var inputs = InputFiles()
        inputs.add(folder: folder.path) { $0.hasSuffix(".json") }
        for name in ["config.json", "way/new.json", "way"] {
            let error = #expect(throws: PVITError.self) { try inputs.requireApart(folder(name)) }
            #expect(error?.code == .outputIsInput)
        }
        for name in ["new.pvq", "way/new.pvq", "sub/new.json"] { try inputs.requireApart(folder(name)) }
    }
}
