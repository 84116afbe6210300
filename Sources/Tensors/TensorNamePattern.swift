#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A pattern for tensor names: `*` matches any bytes, `?` one byte, everything else itself.
///
/// Brackets and backslashes have no special meaning, `*` matches dots and slashes too, and names are compared byte by
/// byte whatever the locale.
package struct TensorNamePattern: Sendable, Hashable {
    /// The pattern as `fnmatch` reads it.
    private let pattern: String

    /// Whether the pattern is a name without wildcards.
    package let isName: Bool

    /// Reads a pattern; every text is one.
    package init(_ text: String) {
        isName = !text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
        // A bracket in brackets matches itself.
        pattern = String(
            decoding: text.utf8.flatMap { $0 == UInt8(ascii: "[") ? Array("[[]".utf8) : [$0] }, as: UTF8.self)
    }

    /// Whether the pattern matches the whole name.
    package func matches(_ name: TensorName) -> Bool {
        // A zero byte would end the C string early. No pattern on a command line has one.
        guard !name.rawValue.utf8.contains(0), !pattern.utf8.contains(0) else { return false }
        // Other locales match characters. This one is the thread's only for the call.
        let before = uselocale(Self.bytesLocale)
        defer { uselocale(before) }
        return fnmatch(pattern, name.rawValue, FNM_NOESCAPE) == 0
    }

    /// The "C" locale, in which every byte is a character; never freed.
    nonisolated(unsafe) private static let bytesLocale = newlocale(LC_CTYPE_MASK, "C", nil)
}
