import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder beside an output that keeps what long work has finished, so that it can be continued.
///
/// It holds only files that its owner adds, by their names, and it stays if the work is stopped. Whoever uses it claims
/// it, so that no two processes do.
package final class WorkFolder: Sendable {
    /// The folder.
    package let path: FilePath
    /// The open folder, once it is claimed. Its lock ends with it, also when the process is killed.
    private let claimed = Lock<FileDescriptor?>(nil)

    /// The work folder of an output: its path with `suffix` added. nil if the output is a device or a pipe.
    ///
    /// - Throws: `file.cannot-create` for an output that cannot be written to.
    package init?(for output: FilePath, suffix: String) throws {
        let destination = try OutputDestination(output)
        guard !destination.isStream else { return nil }
        path = destination.path.parentFolder.appending(
            fileNamed: String(fileNameBytes: destination.path.name.fileNameBytes + Array(suffix.utf8)))
    }

    deinit { try? claimed.withLock { $0 }?.close() }

    /// Whether the folder exists.
    package var exists: Bool { isFolder(path) }

    /// Whether the folder has a file of this name.
    package func contains(_ name: String) -> Bool { (try? FileStatus(of: path.appending(fileNamed: name))) != nil }

    /// Creates the folder if it does not exist, and claims it.
    ///
    /// - Throws: `file.cannot-create`, and what `claim` throws.
    package func create() throws {
        guard path.withPlatformString({ mkdir($0, 0o777) }) == 0 || (errno == EEXIST && exists) else {
            throw PVITError(.cannotCreate, "the folder cannot be created: \(Errno(rawValue: errno))", file: path)
        }
        try claim()
    }

    /// Keeps others from using the folder until this object is released. File systems without locks are trusted.
    ///
    /// - Throws: `file.in-use` if another process, or another object of this one, has claimed it; `file.cannot-create`
    ///   if it cannot be opened.
    package func claim() throws {
        try claimed.withLock { claimed in
            guard claimed == nil else { return }
            let descriptor: FileDescriptor
            do {
                descriptor = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
            } catch let error as Errno {
                throw PVITError(.cannotCreate, "the folder cannot be opened: \(error)", file: path)
            }
            if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
                try? descriptor.close()
                throw PVITError(
                    .inUse, "another process is working on this output", file: path, remedy: "wait until it has ended")
            }
            claimed = descriptor
        }
    }

    /// Removes files, and the folder if nothing else is in it.
    package func remove(_ names: [String]) {
        for name in names { _ = path.appending(fileNamed: name).withPlatformString { unlink($0) } }
        _ = path.withPlatformString { rmdir($0) }
    }
}

extension FilePath {
    /// When the content of the file was last changed, in nanoseconds; nil if that is unknown.
    package var modificationTime: Int? { (try? FileStatus(of: self))?.modificationTime }
}
