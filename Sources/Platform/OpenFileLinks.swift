import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The symbolic links in `/proc`, which lead to open files. The names that they show need not exist any more.
package enum OpenFileLinks {
    /// Whether the link at `path` is one of them.
    package static func contain(_ path: FilePath) -> Bool {
        var procfs = stat()
        var link = stat()
        guard stat("/proc/self", &procfs) == 0, path.withPlatformString({ lstat($0, &link) }) == 0 else { return false }
        return procfs.st_dev == link.st_dev
    }
}
