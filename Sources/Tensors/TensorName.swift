import Storage

/// The name of a tensor, such as `model.layers.0.self_attn.q_proj.weight`.
///
/// Names are compared, hashed and ordered by their UTF-8 bytes (`formats/pvq.md`): two spellings of "é", composed and
/// decomposed, are two names.
///
/// It is not `RawRepresentable`, whose `!=` and hash would compare texts as `String` does.
package struct TensorName: Hashable, Sendable, Comparable {
    /// The name as the checkpoint writes it.
    package let rawValue: String

    /// Creates a name.
    package init(_ name: String) { rawValue = name }

    /// Whether both names have the same bytes.
    package static func == (left: TensorName, right: TensorName) -> Bool {
        left.rawValue.hasSameBytes(as: right.rawValue)
    }

    /// Orders by UTF-8 bytes.
    package static func < (left: TensorName, right: TensorName) -> Bool {
        left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
    }

    /// Hashes the bytes.
    package func hash(into hasher: inout Hasher) { rawValue.hashBytes(into: &hasher) }
}

extension TensorName: ExpressibleByStringLiteral, CustomStringConvertible {
    /// Creates a name from a literal.
    package init(stringLiteral value: String) { rawValue = value }

    /// The name as the checkpoint writes it.
    package var description: String { rawValue }
}
