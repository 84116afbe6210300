import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder beside an output that keeps what long work has finished, so that it can be continued.
///
/// It holds only files that its owner adds, by their names, and it stays if the work is stopped.
package struct WorkFolder: Sendable {
    /// The folder.
    package let path: FilePath

    /// The work folder of an output: its path with `suffix` added. nil if the output is a device or a pipe.
    ///
    /// - Throws: `file.cannot-create` for an output that cannot be written to.
    package init?(for output: FilePath, suffix: String) throws {
        let destination = try OutputDestination(output)
        guard !destination.isStream else { return nil }
        path = destination.path.parentFolder.appending(
            fileNamed: String(fileNameBytes: destination.path.name.fileNameBytes + Array(suffix.utf8)))
    }

    /// Whether the folder exists.
    package var exists: Bool { isFolder(path) }

    /// Whether the folder has a file of this name.
    package func contains(_ name: String) -> Bool { (try? FileStatus(of: path.appending(fileNamed: name))) != nil }

    /// Creates the folder if it does not exist.
    ///
    /// - Throws: `file.cannot-create`.
    package func create() throws {
        guard path.withPlatformString({ mkdir($0, 0o777) }) != 0, errno != EEXIST || !exists else { return }
        throw PVITError(.cannotCreate, "the folder cannot be created: \(Errno(rawValue: errno))", file: path)
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
