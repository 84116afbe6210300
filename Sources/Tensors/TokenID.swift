/// The number of a token in a model's vocabulary: a row of the embedding matrix.
public struct TokenID: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number; a tokenizer never returns a negative one.
    public let rawValue: Int32

    /// Creates an id.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Creates an id from an integer; nil if it does not fit.
    public init?(exactly value: some BinaryInteger) {
        guard let rawValue = Int32(exactly: value) else { return nil }
        self.rawValue = rawValue
    }

    /// Whether one number is smaller than the other.
    public static func < (left: TokenID, right: TokenID) -> Bool { left.rawValue < right.rawValue }
}

extension TokenID: ExpressibleByIntegerLiteral {
    /// Creates an id.
    public init(integerLiteral value: Int32) { self.init(rawValue: value) }
}

extension TokenID: CustomStringConvertible {
    /// The number.
    public var description: String { String(rawValue) }
}
