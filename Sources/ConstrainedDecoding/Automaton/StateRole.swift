/// The number of a state of a `ByteAutomaton`.
typealias StateID = Int32

/// What a state does besides following its edges.
enum StateRole: Hashable, Sendable {
    /// Nothing.
    case plain
    /// Reads the content of a string that may have up to this many more characters, whichever they are.
    case stringContent(remaining: Int32)
    /// Reads one character of a string for a state of the role `stringContent` in the same configuration.
    case stringCharacter
    /// Expects the opening quotation mark of a key that differs from the object's other keys. The number is that of the
    /// declared keys.
    case keyOpening(declared: Int32)
    /// Reads the content of such a key. True between two characters.
    case keyContent(isBetweenCharacters: Bool)
}
