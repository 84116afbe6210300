import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder that appears under its name whole, or not at all.
///
/// Its files are written without names (`OutputFile`) inside a hidden sibling folder, get their names in `commit`, and
/// the sibling is then renamed in one step. Dropping the value without a commit removes everything; a kill leaves at
/// most the hidden, empty sibling (or, where the file system has no unnamed files, a hidden sibling with files in it).
/// A symbolic link to an empty folder, or to one that does not exist yet, stays: the folder takes the place that it
/// leads to.
///
/// An empty folder that cannot be replaced, since it is the root of a mounted disk or the current folder, is filled:
/// the hidden folder lies in it, and the finished files are moved up one after the other.
public struct OutputFolder: ~Copyable {
    /// The name that the user gave the folder.
    public let path: FilePath
    /// Where files are to be created before they are handed to `add`.
    public let workingPath: FilePath
    /// What the folder will be called.
    private let target: FilePath
    /// Whether the finished files are moved into a folder that is there, instead of replacing it.
    private let fillsExisting: Bool
    private var files: [PendingFile] = []
    private var isCommitted = false

    /// Starts a folder that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` when something other than an empty folder has this name already, or when the
    ///   folder that is to hold it is absent or not writable.
    public init(path: FilePath) throws {
        let place = try OutputPlace(path)
        try Self.checkVacant(place)
        let target = try Self.target(of: place)
        let fillsExisting = try Self.mustStay(place, target)
        let working = (fillsExisting ? target.appending(fileNamed: "files") : target).hiddenSibling()
        guard working.withPlatformString({ mkdir($0, 0o777) }) == 0 else {
            throw PVITError(.cannotCreate, "the folder cannot be created: \(Errno(rawValue: errno))", file: path)
        }
        if let existing = place.existing, !fillsExisting {
            // Best effort, as for files.
            working.withPlatformString { working in
                guard chown(working, existing.owner.user, existing.owner.group) == 0 else { return }
                chmod(working, existing.permissions)
            }
        }
        self.path = path
        self.target = target
        self.fillsExisting = fillsExisting
        workingPath = working
    }

    deinit {
        guard !isCommitted else { return }
        for file in files { file.discard(from: workingPath) }
        _ = workingPath.withPlatformString { rmdir($0) }
    }

    /// Takes a finished file, which must have been created in `workingPath`. It gets its name in `commit`.
    public mutating func add(_ file: consuming OutputFile) {
        files.append(PendingFile(file))
    }

    /// Adds a small file.
    public mutating func add(name: String, bytes: [UInt8]) throws {
        var file = try OutputFile(path: workingPath.appending(fileNamed: name))
        try file.append(bytes)
        add(file)
    }

    /// Flushes everything to the disk and gives the folder its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; nothing has then appeared under the name.
    public consuming func commit() throws {
        for file in files { try file.commit() }
        flushFolder(workingPath)
        if fillsExisting {
            try moveFiles()
            isCommitted = true
            return
        }
        guard rename(workingPath, to: target) == 0 else {
            let error = Errno(rawValue: errno)
            try Self.checkVacant(try OutputPlace(path))
            throw PVITError(.cannotCreate, "the folder cannot be given its name: \(error)", file: path)
        }
        isCommitted = true
        flushFolder(target.parentFolder)
    }

    /// Moves the finished files up into the folder that is there; none stays there if one cannot be moved.
    private func moveFiles() throws {
        guard try folderEntries(target) == [workingPath.name] else { throw Self.notEmpty(path) }
        var moved: [FilePath] = []
        for file in files {
            let destination = target.appending(fileNamed: file.name)
            guard rename(workingPath.appending(fileNamed: file.name), to: destination) == 0 else {
                let error = Errno(rawValue: errno)
                for file in moved { _ = file.withPlatformString { unlink($0) } }
                throw PVITError(.cannotCreate, "the file cannot be given its name: \(error)", file: destination)
            }
            moved.append(destination)
        }
        _ = workingPath.withPlatformString { rmdir($0) }
        flushFolder(target)
    }

    /// Whether a folder that is there can only be filled.
    private static func mustStay(_ place: OutputPlace, _ target: FilePath) throws -> Bool {
        guard let existing = place.existing else { return false }
        // Replaced, the current folder would be gone from under the shell that the program was started in.
        if let current = try? FileStatus(of: "."), current.identity == existing.identity { return true }
        guard let parent = try? FileStatus(of: target.parentFolder) else { return false }
        return parent.device != existing.device || parent.identity == existing.identity
    }

    private static func notEmpty(_ path: FilePath) -> PVITError {
        PVITError(
            .cannotCreate, "a folder that is not empty has this name already", file: path,
            remedy: "choose another name or remove it first")
    }

    private static func checkVacant(_ place: OutputPlace) throws {
        guard let existing = place.existing else { return }
        guard existing.kind == .folder else {
            throw PVITError(
                .cannotCreate, "a file has this name already", file: place.name,
                remedy: "choose another name or remove it first")
        }
        guard try folderEntries(place.path).isEmpty else { throw notEmpty(place.name) }
    }

    /// What the folder is called in the one that holds it.
    private static func target(of place: OutputPlace) throws -> FilePath {
        guard place.existing != nil else { return place.path }
        // `a/..` is a name as well, but not one that a folder can be given.
        let resolved = place.path.withPlatformString { realpath($0, nil) }
        guard let resolved else {
            throw PVITError(
                .cannotCreate, "the folder cannot be examined: \(Errno(rawValue: errno))", file: place.name)
        }
        defer { free(resolved) }
        return FilePath(platformString: resolved)
    }
}

/// A file that is written and has no name yet.
private final class PendingFile {
    let name: String
    private var file: OutputFile?

    init(_ file: consuming OutputFile) {
        name = file.path.name
        self.file = consume file
    }

    func commit() throws {
        if let file = file.take() { try file.commit() }
    }

    func discard(from folder: FilePath) {
        file = nil
        _ = folder.appending(fileNamed: name).withPlatformString { unlink($0) }
    }
}

/// The names in a folder but `.` and `..`, as `FilePath.text`, in the order of their UTF-8 bytes.
///
/// - Throws: `file.not-found` or `file.unreadable`.
public func folderEntries(_ folder: FilePath) throws -> [String] {
    guard let stream = folder.withPlatformString({ opendir($0) }) else {
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
            String(fileNameBytes: bytes.prefix { $0 != 0 })
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
