import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Files that have no name until they are complete (`O_TMPFILE`), so that nothing is left behind if the program is
/// killed.
package enum UnnamedFile {
    // <fcntl.h> defines O_TMPFILE by an expression that Swift does not import.
    private static let option = 0o20_000_000 | O_DIRECTORY

    /// Creates a file that can be given a name in `folder` later.
    ///
    /// - Returns: The file, open for reading and writing, or nil if the file system has no unnamed files or `/proc`
    ///   is not mounted.
    package static func create(in folder: FilePath) -> FileDescriptor? {
        let raw = folder.withPlatformString { open($0, option | O_RDWR | O_CLOEXEC, 0o666) }
        guard raw >= 0 else { return nil }
        let file = FileDescriptor(rawValue: raw)
        guard access(link(to: file), F_OK) == 0 else {
            try? file.close()
            return nil
        }
        return file
    }

    /// Gives an unnamed file a name that is not in use.
    ///
    /// - Throws: An `Errno`.
    package static func name(_ file: FileDescriptor, _ path: FilePath) throws {
        let result = path.withPlatformString { linkat(AT_FDCWD, link(to: file), AT_FDCWD, $0, AT_SYMLINK_FOLLOW) }
        guard result == 0 else { throw Errno(rawValue: errno) }
    }

    private static func link(to file: FileDescriptor) -> String { "/proc/self/fd/\(file.rawValue)" }
}
