import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder that appears under its name whole, or not at all.
///
/// Its files (`OutputFile`) are created in a hidden sibling folder. `commit` names them and then renames the sibling in
/// one step. Dropping the value without a commit removes everything. If the program is killed, at most the hidden
/// sibling is left, empty unless the file system has no unnamed files. A symbolic link to an empty or absent folder
/// stays, and the folder that it leads to is replaced.
///
/// An empty folder that cannot be replaced, because it is the root of a mounted disk or the current folder, is filled
/// instead: the hidden folder is created inside, and the finished files are moved up one by one.
package struct OutputFolder: ~Copyable {
    /// The name that the user gave the folder.
    package let path: FilePath
    /// The folder in which to create the files that are passed to `add`.
    package let workingPath: FilePath
    /// The final path of the folder.
    private let target: FilePath
    /// Whether the finished files are moved into an existing folder instead of replacing it.
    private let fillsExisting: Bool
    private var files: [PendingFile] = []
    private var isCommitted = false

    /// Starts a folder that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` if anything but an empty folder has this name, or if the parent folder is missing
    ///   or not writable.
    package init(path: FilePath) throws {
        let destination = try OutputDestination(path)
        try Self.checkVacant(destination)
        let target = try Self.target(of: destination)
        let fillsExisting = try Self.mustStay(destination, target)
        let working = (fillsExisting ? target.appending(fileNamed: "files") : target).hiddenSibling()
        guard working.withPlatformString({ mkdir($0, 0o777) }) == 0 else {
            throw PVITError(.cannotCreate, "the folder cannot be created: \(Errno(rawValue: errno))", file: path)
        }
        if let existing = destination.existing, !fillsExisting {
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

    /// Adds a finished file that was created in `workingPath`. It gets its name in `commit`.
    package mutating func add(_ file: consuming OutputFile) {
        files.append(PendingFile(file))
    }

    /// Adds a small file.
    package mutating func add(name: String, bytes: [UInt8]) throws {
        var file = try OutputFile(path: workingPath.appending(fileNamed: name))
        try file.append(bytes)
        add(file)
    }

    /// Flushes everything to the disk and gives the folder its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; the name is then as it was before.
    package consuming func commit() throws {
        for file in files { try file.commit() }
        flushFolder(workingPath)
        if fillsExisting {
            try moveFiles()
            isCommitted = true
            return
        }
        guard rename(workingPath, to: target) == 0 else {
            let error = Errno(rawValue: errno)
            try Self.checkVacant(try OutputDestination(path))
            throw PVITError(.cannotCreate, "the folder cannot be given its name: \(error)", file: path)
        }
        isCommitted = true
        flushFolder(target.parentFolder)
    }

    /// Moves the finished files up into the existing folder; if one cannot be moved, those before it are removed.
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

    /// Whether the folder exists and can only be filled.
    private static func mustStay(_ destination: OutputDestination, _ target: FilePath) throws -> Bool {
        guard let existing = destination.existing else { return false }
        // Replacing the current folder would leave the user's shell in a deleted folder.
        if let current = try? FileStatus(of: "."), current.identity == existing.identity { return true }
        guard let parent = try? FileStatus(of: target.parentFolder) else { return false }
        return parent.device != existing.device || parent.identity == existing.identity
    }

    private static func notEmpty(_ path: FilePath) -> PVITError {
        PVITError(
            .cannotCreate, "a folder that is not empty has this name already", file: path,
            remedy: "choose another name or remove it first")
    }

    private static func checkVacant(_ destination: OutputDestination) throws {
        guard let existing = destination.existing else { return }
        guard existing.kind == .folder else {
            throw PVITError(
                .cannotCreate, "a file has this name already", file: destination.name,
                remedy: "choose another name or remove it first")
        }
        guard try folderEntries(destination.path).isEmpty else { throw notEmpty(destination.name) }
    }

    /// The path with the folder's real name at its end.
    private static func target(of destination: OutputDestination) throws -> FilePath {
        guard destination.existing != nil else { return destination.path }
        // A path such as `a/..` names a folder, but nothing can be renamed to it.
        let resolved = destination.path.withPlatformString { realpath($0, nil) }
        guard let resolved else {
            throw PVITError(
                .cannotCreate, "the folder cannot be examined: \(Errno(rawValue: errno))", file: destination.name)
        }
        defer { free(resolved) }
        return FilePath(platformString: resolved)
    }
}

/// A finished file that has no name yet.
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

/// The names in a folder without `.` and `..`, as `FilePath.text` has them, in the order of their UTF-8 bytes.
///
/// - Throws: `file.not-found` or `file.unreadable`.
package func folderEntries(_ folder: FilePath) throws -> [String] {
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
        // An entry is only as long as its name: the declared array must not be copied.
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { continue }
        let bytes = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: UInt8.self)
        let name = String(fileNameBytes: UnsafeBufferPointer(start: bytes, count: strlen(bytes)))
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
