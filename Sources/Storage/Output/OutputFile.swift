import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that appears under its name whole, or not at all.
///
/// The bytes go to a file without a name (`O_TMPFILE`) in the same folder, or to a hidden temporary one where the
/// system has no such thing. `commit` flushes them to the disk and puts the name in place, replacing an earlier file in
/// one step; its owner and permissions stay. Dropping the value without a commit, a kill or a crash leaves what was
/// there before. A symbolic link stays, and what it leads to is replaced.
///
/// A device or a pipe is written to at once, front to back: it can neither be replaced nor take anything back.
///
/// What was appended starts on its way to the disk at once, in large pieces: so the disk writes while the next bytes
/// are computed, instead of in `commit` alone.
public struct OutputFile: ~Copyable {
    /// The name that the user gave the file.
    public var path: FilePath { place.name }
    /// The number of bytes written so far.
    public private(set) var byteCount: UInt64 = 0
    // <fcntl.h> defines O_TMPFILE by an expression that Swift does not import.
    private static let unnamedFile = 0o20_000_000 | O_DIRECTORY
    /// How many bytes are appended before they are sent to the disk.
    private static let writeBackByteCount: UInt64 = 32 << 20
    private let place: OutputPlace
    private let descriptor: FileDescriptor
    /// How many bytes are on their way to the disk or there.
    private var sentByteCount: UInt64 = 0
    private var temporaryPath: FilePath?

    /// Starts a file that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` when the folder is absent or not writable, or when `path` is a folder or
    ///   something else that can neither be replaced nor written to.
    public init(path: FilePath) throws { try self.init(path: path, usingUnnamedFiles: true) }

    /// - Parameter usingUnnamedFiles: Whether `O_TMPFILE` is tried.
    init(path: FilePath, usingUnnamedFiles: Bool) throws {
        let place = try OutputPlace(path)
        (descriptor, temporaryPath) = try Self.create(place, usingUnnamedFiles)
        self.place = place
    }

    private static func create(
        _ place: OutputPlace, _ usesUnnamedFiles: Bool
    ) throws -> (FileDescriptor, temporaryPath: FilePath?) {
        if place.isStream {
            // A regular file is one that the shell has opened as a standard stream: what it holds stays.
            return (try openFile(place.name, O_WRONLY | O_APPEND | O_NOCTTY, for: place), nil)
        }
        try place.requireReplaceable()
        if usesUnnamedFiles, let unnamed = unnamedFile(in: place.path.parentFolder) { return (unnamed, nil) }
        let hidden = place.path.hiddenSibling()
        return (try openFile(hidden, O_RDWR | O_CREAT | O_EXCL, for: place), hidden)
    }

    private static func openFile(_ path: FilePath, _ flags: Int32, for place: OutputPlace) throws -> FileDescriptor {
        // Opening a pipe waits for its reader; Ctrl-C ends that.
        let raw = path.withPlatformString { open($0, flags | O_CLOEXEC, 0o666) }
        guard raw >= 0 else {
            let what = place.isStream ? "it cannot be written to" : "the file cannot be created"
            throw PVITError(.cannotCreate, "\(what): \(Errno(rawValue: errno))", file: place.name)
        }
        return FileDescriptor(rawValue: raw)
    }

    /// A file without a name that can be given one later; nil where the file system has no such files, or /proc is
    /// absent.
    private static func unnamedFile(in folder: FilePath) -> FileDescriptor? {
        let raw = folder.withPlatformString { open($0, unnamedFile | O_RDWR | O_CLOEXEC, 0o666) }
        guard raw >= 0 else { return nil }
        let descriptor = FileDescriptor(rawValue: raw)
        guard access(linkToOpenFile(descriptor), F_OK) == 0 else {
            try? descriptor.close()
            return nil
        }
        return descriptor
    }

    private static func linkToOpenFile(_ descriptor: FileDescriptor) -> String {
        "/proc/self/fd/\(descriptor.rawValue)"
    }

    deinit {
        try? descriptor.close()
        _ = temporaryPath?.withPlatformString { unlink($0) }
    }

    /// Appends bytes.
    ///
    /// - Throws: `file.write-failed`, for example on a full disk.
    public mutating func append(_ bytes: RawSpan) throws {
        let count = bytes.byteCount
        do {
            _ = try bytes.withUnsafeBytes { bytes in
                place.isStream
                    ? try withoutBrokenPipeSignal { try descriptor.writeAll(bytes) } : try descriptor.writeAll(bytes)
            }
        } catch let error as Errno {
            throw writeError(error)
        }
        byteCount += UInt64(count)
        if !place.isStream, byteCount - sentByteCount >= Self.writeBackByteCount { sendToDisk() }
    }

    /// Appends bytes.
    public mutating func append(_ bytes: [UInt8]) throws {
        try append(bytes.span.bytes)
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; an earlier file of that name is then untouched.
    public consuming func commit() throws {
        guard !place.isStream else { return }
        try flush()
        // Whatever has taken the place since then is not replaced if it is no file.
        let now = try OutputPlace(place.path)
        guard !now.isStream else { throw nameError("something else has taken its place") }
        try now.requireReplaceable()
        if let existing = now.existing { takeOver(existing) }
        if temporaryPath == nil {
            let hidden = place.path.hiddenSibling()
            let linked = hidden.withPlatformString {
                linkat(AT_FDCWD, Self.linkToOpenFile(descriptor), AT_FDCWD, $0, AT_SYMLINK_FOLLOW)
            }
            guard linked == 0 else { throw nameError("\(Errno(rawValue: errno))") }
            temporaryPath = hidden
        }
        guard let named = temporaryPath else { return }
        guard rename(named, to: place.path) == 0 else { throw nameError("\(Errno(rawValue: errno))") }
        temporaryPath = nil
        flushFolder(place.path.parentFolder)
    }

    private func flush() throws {
        guard fsync(descriptor.rawValue) != 0 else { return }
        let error = Errno(rawValue: errno)
        // Some file systems know no flushing: what was written is as safe there as it gets.
        guard [.invalidArgument, .notSupported, .noFunction].contains(error) else { throw writeError(error) }
    }

    /// Gives the new file owner and permissions of the one that it replaces. Best effort: where the owner cannot be
    /// kept, the permissions are those of any new file.
    private func takeOver(_ existing: FileStatus) {
        let owner = existing.owner
        guard fchown(descriptor.rawValue, owner.user, owner.group) == 0 else { return }
        fchmod(descriptor.rawValue, existing.permissions)
    }

    /// Lets the disk begin with what was appended since the last time. Best effort: `commit` flushes and sees all
    /// failures.
    private mutating func sendToDisk() {
        // Linux starts to write the changed pages of a part that is not needed, and returns. They stay in memory until
        // they are written, and after that like other pages.
        let length = off_t(byteCount - sentByteCount)
        _ = posix_fadvise(descriptor.rawValue, off_t(sentByteCount), length, POSIX_FADV_DONTNEED)
        sentByteCount = byteCount
    }

    private func nameError(_ reason: String) -> PVITError {
        PVITError(.cannotCreate, "the file cannot be given its name: \(reason)", file: path)
    }

    private func writeError(_ error: Errno) -> PVITError {
        let untouched = "nothing was left under this name that was not there before"
        let isFull = error == .noSpace || error == .diskQuotaExceeded
        let remedy: String? =
            if place.isStream {
                error == .brokenPipe ? "let its reader read to the end" : nil
            } else {
                isFull ? "free some space or choose another disk; \(untouched)" : untouched
            }
        return PVITError(.writeFailed, "writing failed: \(error)", file: path, remedy: remedy)
    }
}

/// Makes a folder's new names durable; best effort, for some file systems cannot.
func flushFolder(_ folder: FilePath) {
    guard let descriptor = try? FileDescriptor.open(folder, .readOnly, options: [.directory, .closeOnExec]) else {
        return
    }
    fsync(descriptor.rawValue)
    try? descriptor.close()
}

/// `rename` of paths.
func rename(_ old: FilePath, to new: FilePath) -> Int32 {
    old.withPlatformString { old in new.withPlatformString { rename(old, $0) } }
}

/// Writes to what may be a pipe, so that the end of its reader is an error and not the end of this process.
private func withoutBrokenPipeSignal<Result>(_ write: () throws -> Result) throws -> Result {
    var brokenPipe = sigset_t()
    var before = sigset_t()
    sigemptyset(&brokenPipe)
    sigaddset(&brokenPipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &brokenPipe, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    do {
        return try write()
    } catch Errno.brokenPipe {
        // The signal waits for this thread: it is taken away before it can be delivered.
        var atOnce = timespec()
        while sigtimedwait(&brokenPipe, nil, &atOnce) < 0, errno == EINTR {}
        throw Errno.brokenPipe
    }
}
