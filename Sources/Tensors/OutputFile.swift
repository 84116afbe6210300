import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that appears under its name whole, or not at all.
///
/// The bytes go to a file without a name (`O_TMPFILE`) in the same folder, or to a hidden temporary one where the
/// file system has no such thing. `commit` flushes them to the disk and puts the name in place, replacing an earlier
/// file in one step. Dropping the value without a commit, a kill or a crash leaves what was there before.
///
/// What was appended starts on its way to the disk at once, in large pieces: so the disk writes while the next bytes are
/// computed, instead of in `commit` alone.
public struct OutputFile: ~Copyable {
    /// The name that the file will have.
    public let path: FilePath
    /// The number of bytes written so far.
    public private(set) var byteCount: UInt64 = 0
    // <fcntl.h> defines O_TMPFILE by an expression that Swift does not import.
    private static let unnamedFile = 0o20_000_000 | O_DIRECTORY
    /// How many bytes are appended before they are sent to the disk.
    private static let writeBackByteCount: UInt64 = 32 << 20
    private let descriptor: FileDescriptor
    /// How many bytes are on their way to the disk or there.
    private var sentByteCount: UInt64 = 0
    private var temporaryPath: FilePath?

    /// Starts a file that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` when the folder is absent or not writable, or when `path` is a folder.
    public init(path: FilePath) throws {
        self.path = path
        let folder = path.parentFolder
        if isFolder(path) {
            throw PVITError(.cannotCreate, "a folder has this name already", file: path, remedy: "choose another name")
        }
        let unnamed = open(folder.string, Self.unnamedFile | O_RDWR | O_CLOEXEC, 0o666)
        if unnamed >= 0 {
            descriptor = FileDescriptor(rawValue: unnamed)
            return
        }
        let hidden = path.hiddenSibling()
        do {
            descriptor = try FileDescriptor.open(
                hidden, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: FilePermissions(rawValue: 0o666))
        } catch let error as Errno {
            throw PVITError(.cannotCreate, "the file cannot be created: \(error)", file: path)
        }
        temporaryPath = hidden
    }

    deinit {
        try? descriptor.close()
        if let temporaryPath { unlink(temporaryPath.string) }
    }

    /// Appends bytes.
    ///
    /// - Throws: `file.write-failed`, for example on a full disk.
    public mutating func append(_ bytes: RawSpan) throws {
        let count = bytes.byteCount
        do {
            _ = try bytes.withUnsafeBytes { try descriptor.writeAll($0) }
        } catch let error as Errno {
            throw writeError(error)
        }
        byteCount += UInt64(count)
        if byteCount - sentByteCount >= Self.writeBackByteCount { sendToDisk() }
    }

    /// Appends bytes.
    public mutating func append(_ bytes: [UInt8]) throws {
        try append(bytes.span.bytes)
    }

    /// Replaces bytes that were written before.
    ///
    /// - Throws: `file.write-failed`.
    public func overwrite(at offset: UInt64, with bytes: [UInt8]) throws {
        guard offset + UInt64(bytes.count) <= byteCount else {
            throw PVITError(.internalDefect, "an overwrite past the end of the file", file: path)
        }
        do {
            try bytes.withUnsafeBytes { _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), $0) }
        } catch let error as Errno {
            throw writeError(error)
        }
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; an earlier file of that name is then untouched.
    public consuming func commit() throws {
        guard fsync(descriptor.rawValue) == 0 else { throw writeError(Errno(rawValue: errno)) }
        if temporaryPath == nil {
            let hidden = path.hiddenSibling()
            let linked = linkat(
                AT_FDCWD, "/proc/self/fd/\(descriptor.rawValue)", AT_FDCWD, hidden.string, AT_SYMLINK_FOLLOW)
            guard linked == 0 else {
                throw PVITError(
                    .cannotCreate, "the file cannot be given its name: \(Errno(rawValue: errno))", file: path)
            }
            temporaryPath = hidden
        }
        guard let named = temporaryPath else { return }
        guard rename(named.string, path.string) == 0 else {
            throw PVITError(.cannotCreate, "the file cannot be given its name: \(Errno(rawValue: errno))", file: path)
        }
        temporaryPath = nil
        flushFolder(path.parentFolder)
    }

    /// Lets the disk begin with what was appended since the last time. Best effort: `commit` flushes and sees all failures.
    private mutating func sendToDisk() {
        // Linux starts to write the changed pages of a part that is not needed, and returns. They stay in memory until
        // they are written, and after that like other pages.
        let length = off_t(byteCount - sentByteCount)
        _ = posix_fadvise(descriptor.rawValue, off_t(sentByteCount), length, POSIX_FADV_DONTNEED)
        sentByteCount = byteCount
    }

    private func writeError(_ error: Errno) -> PVITError {
        let remedy =
            error == .noSpace || error == .diskQuotaExceeded
            ? "free some space or choose another disk; nothing was left under this name that was not there before"
            : "nothing was left under this name that was not there before"
        return PVITError(.writeFailed, "writing failed: \(error)", file: path, remedy: remedy)
    }
}

/// Whether there is a folder at `path`.
public func isFolder(_ path: FilePath) -> Bool {
    var status = stat()
    return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Makes a folder's new names durable; best effort, for some file systems cannot.
func flushFolder(_ folder: FilePath) {
    guard let descriptor = try? FileDescriptor.open(folder, .readOnly, options: [.directory, .closeOnExec]) else {
        return
    }
    fsync(descriptor.rawValue)
    try? descriptor.close()
}

extension FilePath {
    /// The folder that holds this file; `.` for a bare name.
    public var parentFolder: FilePath {
        let parent = removingLastComponent()
        return parent.isEmpty ? "." : parent
    }

    /// A hidden name in the same folder that no other process uses.
    func hiddenSibling() -> FilePath {
        let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        return parentFolder.appending(".\(lastComponent?.string ?? "output").\(getpid())-\(suffix).partial")
    }
}
