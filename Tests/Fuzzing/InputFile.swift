import Glibc
import SystemPackage

/// A file for readers that open one. There is one in a process, and it vanishes with it.
enum InputFile {
    private static let folder: FilePath = {
        var template = Array("/tmp/pvit-fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary folder") }
        let path = FilePath(platformString: template)
        atexit { InputFile.remove() }
        return path
    }()
    nonisolated(unsafe) private static var current: FilePath?

    /// Writes the bytes to a file and calls `body` with its path. The file is a new one each time: readers map it.
    static func with(_ bytes: [UInt8], named name: String, _ body: (FilePath) throws -> Void) throws {
        let path = folder.appending(name)
        current = path
        unlink(path.string)
        let file = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
        try file.closeAfter { _ = try file.writeAll(bytes) }
        try body(path)
    }

    private static func remove() {
        if let current { unlink(current.string) }
        rmdir(folder.string)
    }
}
