// Swift's own `contains` and `replace` of sequences belong to its module for regular expressions, which would make a
// program with a static runtime 2 MB larger.

extension Collection where Element: Equatable {
    /// The ranges in which `pattern` occurs, from left to right and not overlapping. An empty pattern occurs nowhere.
    @inlinable
    package func occurrences(of pattern: some Collection<Element>) -> [Range<Index>] {
        var result: [Range<Index>] = []
        var rest = self[...]
        while let found = rest.firstOccurrence(of: pattern) {
            result.append(found)
            rest = self[found.upperBound...]
        }
        return result
    }

    /// The first range in which `pattern` occurs. An empty pattern occurs nowhere.
    @inlinable
    package func firstOccurrence(of pattern: some Collection<Element>) -> Range<Index>? {
        guard let first = pattern.first else { return nil }
        var rest = self[...]
        while let start = rest.firstIndex(of: first) {
            rest = self[start...]
            let mismatch = zip(rest.indices, pattern).first { self[$0.0] != $0.1 }
            if mismatch == nil, let end = index(start, offsetBy: pattern.count, limitedBy: endIndex) {
                return start..<end
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}

extension RangeReplaceableCollection where Element: Equatable {
    /// Replaces `pattern` wherever it occurs. An empty pattern occurs nowhere.
    @inlinable
    package mutating func replaceOccurrences(
        of pattern: some Collection<Element>, with replacement: some Collection<Element>
    ) {
        var result = Self()
        var end = startIndex
        for range in occurrences(of: pattern) {
            result += self[end..<range.lowerBound]
            result += replacement
            end = range.upperBound
        }
        result += self[end...]
        self = result
    }
}

extension StringProtocol {
    /// Whether the UTF-8 bytes of `text` occur in this text. Those of the empty text do nowhere.
    @inlinable
    package func contains(bytesOf text: String) -> Bool { utf8.firstOccurrence(of: text.utf8) != nil }
}
