/// The name of a tensor in a checkpoint, such as `model.layers.0.self_attn.q_proj.weight`.
public struct TensorName: RawRepresentable, Hashable, Sendable, Comparable {
    /// The name as the checkpoint writes it.
    public let rawValue: String

    /// Creates a name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Creates a name.
    public init(_ name: String) { rawValue = name }

    /// Orders by UTF-8 bytes.
    public static func < (left: TensorName, right: TensorName) -> Bool {
        left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
    }
}

extension TensorName: ExpressibleByStringLiteral, CustomStringConvertible {
    /// Creates a name from a literal.
    public init(stringLiteral value: String) { rawValue = value }

    /// The name as the checkpoint writes it.
    public var description: String { rawValue }
}
