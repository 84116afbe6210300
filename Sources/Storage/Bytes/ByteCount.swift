/// A number of bytes with its notation for people: `2GiB`, `512 MB`, `1.5 kB`.
public struct ByteCount: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number of bytes.
    public let rawValue: UInt64

    /// Creates a count.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Creates a count.
    public init(_ count: some BinaryInteger) { rawValue = UInt64(clamping: count) }

    /// Reads a number with an optional unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB, or K, M, G, T
    /// (powers of 1024), in upper or lower case. Returns nil for anything else.
    public init?(parsing text: String) {
        let trimmed = text.filter { $0 != " " }
        let digits = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let value = Double(digits), value >= 0 else { return nil }
        let scale: Double
        switch trimmed.dropFirst(digits.count).lowercased() {
        case "", "b": scale = 1
        case "kb": scale = 1e3
        case "mb": scale = 1e6
        case "gb": scale = 1e9
        case "tb": scale = 1e12
        case "k", "kib": scale = 1024
        case "m", "mib": scale = 1_048_576
        case "g", "gib": scale = 1_073_741_824
        case "t", "tib": scale = 1_099_511_627_776
        default: return nil
        }
        guard value * scale < 9.2e18 else { return nil }
        rawValue = UInt64(value * scale)
    }

    /// Orders by size.
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.rawValue < right.rawValue }
}

extension ByteCount: CustomStringConvertible {
    /// The count in the largest decimal unit in which it is at least 1: `3.83 GB`.
    public var description: String {
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
        var value = Double(rawValue)
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        if unit == 0 { return "\(rawValue) B" }
        let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        return "\(value.formatted(decimals: decimals)) \(units[unit])"
    }
}

extension Double {
    /// The number in decimal notation with exactly `decimals` digits after the point, rounded half away from zero.
    package func formatted(decimals: Int) -> String {
        guard isFinite, abs(self) < 1e15 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int64((magnitude * scale).rounded())
        let digits = String(scaled)
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = self < 0 && scaled != 0 ? "-" : ""
        guard decimals > 0 else { return sign + padded }
        return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }
}
