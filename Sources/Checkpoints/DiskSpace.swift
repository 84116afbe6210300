import SystemPackage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension PVITError.Code {
    /// The disk has too little room for the output.
    public static let tooLittleSpace = Self("file.too-little-space", .cannotCreate)
}

/// Room on a disk.
public enum DiskSpace {
    /// Throws `file.too-little-space` unless about `byteCount` bytes can be written beside `output`. Says nothing when the
    /// file system cannot tell.
    public static func require(_ byteCount: UInt64, for output: FilePath) throws {
        var status = statvfs()
        guard statvfs(output.parentFolder.string, &status) == 0 else { return }
        let (available, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        guard !overflow, available < byteCount else { return }
        throw PVITError(
            .tooLittleSpace,
            "the output needs about \(ByteCount(byteCount)), but only \(ByteCount(available)) are free on its disk",
            file: output, remedy: "free some space or choose another disk")
    }
}
