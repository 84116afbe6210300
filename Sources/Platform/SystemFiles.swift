#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The small text files in which Linux reports its state: `/proc` and `/sys`.
struct SystemFiles: Sendable {
    /// The path in front of `/proc` and `/sys`; empty for the running system's.
    let root: String

    init(root: String = "") { self.root = root }

    /// The lines of a file, at most 1000; none if it cannot be opened.
    func lines(of path: String) -> [String] {
        guard let file = fopen(root + path, "r") else { return [] }
        defer { fclose(file) }
        var result: [String] = []
        var line = [CChar](repeating: 0, count: 4096)
        while result.count < 1000, fgets(&line, Int32(line.count), file) != nil {
            let bytes = line.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "\n")) }.map { UInt8(bitPattern: $0) }
            result.append(String(decoding: bytes, as: UTF8.self))
        }
        return result
    }

    /// The number in a line `NAME: NUMBER [UNIT]`; nil if there is none.
    func number(_ name: String, in path: String) -> UInt64? {
        guard let line = lines(of: path).first(where: { $0.hasPrefix(name + ":") }) else { return nil }
        let words = line.dropFirst(name.count + 1).split { $0 == " " || $0 == "\t" }
        return words.first.flatMap { UInt64($0) }
    }
}
