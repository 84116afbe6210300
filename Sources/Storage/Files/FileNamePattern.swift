#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A POSIX extended regular expression for whole names of files.
///
/// The C library matches it, because Swift's `Regex` would make a program with a static runtime 2 MB larger.
package final class FileNamePattern: Sendable {
    /// Written by `init` and `deinit` only. Matching with it is safe on several threads.
    nonisolated(unsafe) private let expression = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)

    /// Compiles an expression.
    ///
    /// - Precondition: The expression is valid.
    package init(_ text: String) {
        expression.initialize(to: regex_t())
        let status = regcomp(expression, "^(\(text))$", REG_EXTENDED)
        precondition(status == 0, "\(text) is not an extended regular expression")
    }

    deinit {
        regfree(expression)
        expression.deallocate()
    }

    /// Whether the pattern matches the whole name.
    package func matches(_ name: String) -> Bool { groups(of: name) != nil }

    /// The texts in the pattern's parentheses, or nil if it does not match the whole name. Those of parentheses that
    /// matched nothing are empty.
    package func groups(of name: String) -> [String]? {
        // The first two matches are the whole name.
        var matches = [regmatch_t](repeating: regmatch_t(), count: expression.pointee.re_nsub + 1)
        guard regexec(expression, name, matches.count, &matches, 0) == 0 else { return nil }
        let bytes = Array(name.utf8)
        return matches.dropFirst(2).map { match in
            guard match.rm_so >= 0 else { return "" }
            return String(decoding: bytes[Int(match.rm_so)..<Int(match.rm_eo)], as: UTF8.self)
        }
    }
}
