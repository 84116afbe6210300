import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension PVITError.Code {
    /// The disk has too little free space for the output.
    package static let tooLittleSpace = Self("file.too-little-space", .cannotCreate)
}

/// Free space on a disk.
package enum DiskSpace {
    /// Throws `file.too-little-space` unless about `byteCount` bytes can be written to `output`. Does not check devices
    /// and pipes, nor file systems that do not report free space.
    ///
    /// - Throws: Also `file.cannot-create` for what `OutputDestination` refuses.
    package static func require(_ byteCount: UInt64, for output: FilePath) throws {
        var status = statvfs()
        guard let folder = try OutputDestination(output).folder,
            folder.withPlatformString({ statvfs($0, &status) }) == 0
        else { return }
        let (available, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        guard !overflow, available < byteCount else { return }
        throw PVITError(
            .tooLittleSpace,
            "the output needs about \(ByteCount(byteCount)), but only \(ByteCount(available)) are free on its disk",
            file: output, remedy: "free some space or choose another disk")
    }
}
