import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder that appears under its name whole, or not at all.
///
/// Its files are written without names (`OutputFile`) inside a hidden sibling folder, get their names in `commit`, and
/// the sibling is then renamed in one step. Dropping the value without a commit removes everything; a kill leaves at most
/// the hidden, empty sibling (or, where the file system has no unnamed files, a hidden sibling with files in it).
public struct OutputFolder: ~Copyable {
    /// The name that the folder will have.
    public let path: FilePath
    /// Where files are to be created before they are handed to `add`.
    public let workingPath: FilePath
    private var files: [PendingFile] = []
    private var isCommitted = false

    /// Starts a folder that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` when something other than an empty folder has this name already, or when the folder
    ///   that is to hold it is absent or not writable.
    public init(path: FilePath) throws {
        let path = path.lexicallyNormalized()
        try Self.checkVacant(path)
        let working = path.hiddenSibling()
        guard mkdir(working.string, 0o777) == 0 else {
            throw PVITError(.cannotCreate, "the folder cannot be created: \(Errno(rawValue: errno))", file: path)
        }
        self.path = path
        workingPath = working
    }

    deinit {
        guard !isCommitted else { return }
        for file in files { file.discard(from: workingPath) }
        rmdir(workingPath.string)
    }

    /// Takes a finished file, which must have been created in `workingPath`. It gets its name in `commit`.
    public mutating func add(_ file: consuming OutputFile) {
        files.append(PendingFile(file))
    }

    /// Adds a small file.
    public mutating func add(name: String, bytes: [UInt8]) throws {
        var file = try OutputFile(path: workingPath.appending(name))
        try file.append(bytes)
        add(file)
    }

    /// Flushes everything to the disk and gives the folder its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; nothing has then appeared under the name.
    public consuming func commit() throws {
        for file in files { try file.commit() }
        flushFolder(workingPath)
        guard rename(workingPath.string, path.string) == 0 else {
            let error = Errno(rawValue: errno)
            try Self.checkVacant(path)
            throw PVITError(.cannotCreate, "the folder cannot be given its name: \(error)", file: path)
        }
        isCommitted = true
        flushFolder(path.parentFolder)
    }

    private static func checkVacant(_ path: FilePath) throws {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return }
        let remedy = "choose another name or remove it first"
        guard isFolder(path) else {
            throw PVITError(.cannotCreate, "a file has this name already", file: path, remedy: remedy)
        }
        guard status.st_mode & S_IFMT == S_IFDIR, try folderEntries(path).isEmpty else {
            throw PVITError(
                .cannotCreate, "a folder that is not empty has this name already", file: path, remedy: remedy)
        }
    }
}

/// A file that is written and has no name yet.
private final class PendingFile {
    let name: String
    private var file: OutputFile?

    init(_ file: consuming OutputFile) {
        name = file.path.lastComponent?.string ?? ""
        self.file = consume file
    }

    func commit() throws {
        if let file = file.take() { try file.commit() }
    }

    func discard(from folder: FilePath) {
        file = nil
        unlink(folder.appending(name).string)
    }
}

/// The names in a folder but `.` and `..`, in the order of their UTF-8 bytes.
///
/// - Throws: `file.not-found` or `file.unreadable`.
public func folderEntries(_ folder: FilePath) throws -> [String] {
    guard let stream = opendir(folder.string) else {
        let error = Errno(rawValue: errno)
        if error == .noSuchFileOrDirectory {
            throw PVITError(.fileNotFound, "there is no such folder", file: folder)
        }
        throw PVITError(.fileUnreadable, "the folder cannot be read: \(error)", file: folder)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
