import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that appears under its name whole, or not at all.
///
/// The bytes go to an unnamed file in the same folder, or to a hidden temporary file if the file system has no unnamed
/// ones. `commit` flushes them to the disk and gives the file its name, replacing an earlier file in one step and
/// keeping its owner and permissions. Without a commit (the value is dropped, the program crashes or is killed) an
/// earlier file stays as it was. A symbolic link stays, and the file that it leads to is replaced.
///
/// A device or a pipe is written to directly, front to back, and nothing written can be taken back.
///
/// Appended bytes are sent to the disk in large chunks, so that it writes while the next bytes are computed, and not
/// only in `commit`.
package struct OutputFile: ~Copyable {
    /// The name that the user gave the file.
    package var path: FilePath { destination.name }
    /// The number of bytes written so far.
    package private(set) var byteCount: UInt64 = 0
    /// How many bytes are appended before they are sent to the disk.
    private static let writeBackByteCount: UInt64 = 32 << 20
    private let destination: OutputDestination
    private let descriptor: FileDescriptor
    /// How many bytes have been sent to the disk.
    private var sentByteCount: UInt64 = 0
    private var temporaryPath: FilePath?

    /// Starts a file that will be called `path`.
    ///
    /// - Throws: `file.cannot-create` if the folder is missing or not writable, or if `path` is a folder or anything
    ///   else that can neither be replaced nor written to.
    package init(path: FilePath) throws { try self.init(path: path, usingUnnamedFiles: true) }

    /// - Parameter usingUnnamedFiles: Whether to try an unnamed file first.
    init(path: FilePath, usingUnnamedFiles: Bool) throws {
        let destination = try OutputDestination(path)
        (descriptor, temporaryPath) = try Self.create(destination, usingUnnamedFiles)
        self.destination = destination
    }

    private static func create(
        _ destination: OutputDestination, _ usesUnnamedFiles: Bool
    ) throws -> (FileDescriptor, temporaryPath: FilePath?) {
        if destination.isStream {
            // A regular file here is one that the shell opened as a standard stream: append to it.
            return (try openFile(destination.name, O_WRONLY | O_APPEND | O_NOCTTY, for: destination), nil)
        }
        try destination.requireReplaceable()
        if usesUnnamedFiles, let unnamed = UnnamedFile.create(in: destination.path.parentFolder) {
            return (unnamed, nil)
        }
        let hidden = destination.path.hiddenSibling()
        return (try openFile(hidden, O_RDWR | O_CREAT | O_EXCL, for: destination), hidden)
    }

    private static func openFile(_ path: FilePath, _ flags: Int32, for destination: OutputDestination) throws
        -> FileDescriptor
    {
        // Opening a pipe waits for a reader; Ctrl-C ends the wait.
        let raw = path.withPlatformString { open($0, flags | O_CLOEXEC, 0o666) }
        guard raw >= 0 else {
            let what = destination.isStream ? "it cannot be written to" : "the file cannot be created"
            throw PVITError(.cannotCreate, "\(what): \(Errno(rawValue: errno))", file: destination.name)
        }
        return FileDescriptor(rawValue: raw)
    }

    deinit {
        try? descriptor.close()
        _ = temporaryPath?.withPlatformString { unlink($0) }
    }

    /// Appends bytes.
    ///
    /// - Throws: `file.write-failed`, for example on a full disk.
    package mutating func append(_ bytes: RawSpan) throws {
        let count = bytes.byteCount
        do {
            _ = try bytes.withUnsafeBytes { bytes in
                destination.isStream
                    ? try withoutBrokenPipeSignal { try descriptor.writeAll(bytes) } : try descriptor.writeAll(bytes)
            }
        } catch let error as Errno {
            throw writeError(error)
        }
        byteCount += UInt64(count)
        if !destination.isStream, byteCount - sentByteCount >= Self.writeBackByteCount { sendToDisk() }
    }

    /// Appends bytes.
    package mutating func append(_ bytes: [UInt8]) throws {
        try append(bytes.span.bytes)
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// - Throws: `file.write-failed` or `file.cannot-create`; an earlier file of that name is then untouched.
    package consuming func commit() throws {
        guard !destination.isStream else { return }
        try flush()
        // The name may have been taken since then; only a regular file is replaced.
        let now = try OutputDestination(destination.path)
        guard !now.isStream else { throw nameError("a device or a pipe has this name now") }
        try now.requireReplaceable()
        if let existing = now.existing { takeOver(existing) }
        if temporaryPath == nil {
            let hidden = destination.path.hiddenSibling()
            do {
                try UnnamedFile.name(descriptor, hidden)
            } catch let error as Errno {
                throw nameError("\(error)")
            }
            temporaryPath = hidden
        }
        guard let named = temporaryPath else { return }
        guard rename(named, to: destination.path) == 0 else { throw nameError("\(Errno(rawValue: errno))") }
        temporaryPath = nil
        flushFolder(destination.path.parentFolder)
    }

    private func flush() throws {
        guard fsync(descriptor.rawValue) != 0 else { return }
        let error = Errno(rawValue: errno)
        // Some file systems cannot flush.
        guard [.invalidArgument, .notSupported, .noFunction].contains(error) else { throw writeError(error) }
    }

    /// Gives the new file the owner and permissions of the one that it replaces. Best effort: if the owner cannot be
    /// kept, the permissions are those of a new file.
    private func takeOver(_ existing: FileStatus) {
        let owner = existing.owner
        guard fchown(descriptor.rawValue, owner.user, owner.group) == 0 else { return }
        fchmod(descriptor.rawValue, existing.permissions)
    }

    /// Starts writing what was appended since the last call. Best effort: `commit` flushes and sees all failures.
    private mutating func sendToDisk() {
        PageCache.startWriting(sentByteCount..<byteCount, of: descriptor)
        sentByteCount = byteCount
    }

    private func nameError(_ reason: String) -> PVITError {
        PVITError(.cannotCreate, "the file cannot be given its name: \(reason)", file: path)
    }

    private func writeError(_ error: Errno) -> PVITError {
        let untouched = "nothing was changed under this name"
        let isFull = error == .noSpace || error == .diskQuotaExceeded
        let remedy: String? =
            if destination.isStream {
                error == .brokenPipe ? "the program that reads it must read to the end" : nil
            } else {
                isFull ? "free some space or choose another disk; \(untouched)" : untouched
            }
        return PVITError(.writeFailed, "writing failed: \(error)", file: path, remedy: remedy)
    }
}

/// Makes a folder's new names durable. Best effort: some file systems cannot.
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
