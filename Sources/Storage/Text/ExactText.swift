/// A text that is compared, hashed and ordered by its UTF-8 bytes.
///
/// Use it as the key for names from files. `String` compares by canonical equivalence: to it "é" and "e" + U+0301 are
/// equal, though they are two names in a file.
package struct ExactText: Hashable, Comparable, Sendable {
    /// The text.
    package let text: String

    /// Wraps a text.
    package init(_ text: String) { self.text = text }

    /// Whether both texts have the same bytes.
    package static func == (left: ExactText, right: ExactText) -> Bool { left.text.hasSameBytes(as: right.text) }

    /// Orders by UTF-8 bytes.
    package static func < (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    /// Hashes the bytes.
    package func hash(into hasher: inout Hasher) { text.hashBytes(into: &hasher) }
}

extension String {
    /// Whether both texts have the same UTF-8 bytes.
    package func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }

    /// Hashes the UTF-8 bytes.
    package func hashBytes(into hasher: inout Hasher) {
        var copy = self
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // Ends the text, so that two texts hash differently from their concatenation.
        hasher.combine(0xFF as UInt8)
    }

    /// The text after `prefix`; nil if it does not start with the bytes of `prefix`.
    package func dropping(prefix: String) -> String? {
        utf8.starts(with: prefix.utf8) ? String(self[utf8.index(startIndex, offsetBy: prefix.utf8.count)...]) : nil
    }
}
