import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension PVITError {
    /// The error for a file that does not exist, or for a symbolic link to such a file.
    public static func absent(_ path: FilePath) -> PVITError {
        guard let target = linkTarget(of: path) else {
            return PVITError(.fileNotFound, "there is no such file", file: path)
        }
        return PVITError(
            .fileNotFound, "this is a symbolic link to \(target), which does not exist", file: path,
            remedy: "download or copy the file itself")
    }

    /// The target of a symbolic link; nil for anything else.
    private static func linkTarget(of path: FilePath) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path.string, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
