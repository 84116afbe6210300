import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The metadata of a file.
struct FileStatus {
    /// The kinds of files.
    enum Kind {
        case regular, folder, link, characterDevice, blockDevice, pipe, socket
    }

    private let status: stat

    /// Examines a path.
    ///
    /// - Throws: An `Errno`.
    init(of path: FilePath, followsLinks: Bool = true) throws {
        var status = stat()
        let result = path.withPlatformString { followsLinks ? stat($0, &status) : lstat($0, &status) }
        guard result == 0 else { throw Errno(rawValue: errno) }
        self.status = status
    }

    var kind: Kind {
        switch status.st_mode & S_IFMT {
        case S_IFDIR: .folder
        case S_IFLNK: .link
        case S_IFCHR: .characterDevice
        case S_IFBLK: .blockDevice
        case S_IFIFO: .pipe
        case S_IFSOCK: .socket
        default: .regular
        }
    }

    /// The file system that holds the file.
    var device: dev_t { status.st_dev }
    var identity: FileIdentity { FileIdentity(status) }
    var owner: (user: uid_t, group: gid_t) { (status.st_uid, status.st_gid) }
    /// When the content was last changed, in nanoseconds since 1970.
    var modificationTime: Int { status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec }
    /// The permissions to read, write and execute.
    var permissions: mode_t { status.st_mode & 0o777 }
    /// Whether the files in this folder can only be replaced by their owners.
    var keepsFilesOfOthers: Bool { status.st_mode & S_ISVTX != 0 }
}

/// Whether `path` is a folder or leads to one by links.
package func isFolder(_ path: FilePath) -> Bool { (try? FileStatus(of: path))?.kind == .folder }
