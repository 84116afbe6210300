#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Compares bytes lexicographically. The result is negative, zero or positive if `left` comes before, equals or comes
/// after `right`. A prefix comes before a longer string.
func compare(_ left: RawSpan, _ right: RawSpan) -> Int {
    let order = left.withUnsafeBytes { left in
        right.withUnsafeBytes { right -> Int in
            guard let a = left.baseAddress, let b = right.baseAddress else { return 0 }
            return Int(memcmp(a, b, min(left.count, right.count)))
        }
    }
    return order != 0 ? order : left.byteCount - right.byteCount
}

extension RawSpan {
    /// Whether all bytes in a range are zero.
    func isZero(_ range: Range<Int>) -> Bool {
        extracting(range).withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
            // Every byte equals its neighbour, and the first one is zero.
            return bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
        }
    }
}
