/// The class of a character in pre-tokenization patterns.
///
/// The `tokenizers` library matches patterns with Oniguruma, whose tables are those of Unicode 16. Its `Digits`
/// component uses Rust's `char::is_numeric`, with the tables of Unicode 17, as in Swift 6.3. Letters and numbers added
/// after Unicode 16 are therefore neither to a pattern. (No character changed its category between these versions.)
enum CharacterClass: UInt8 {
    /// `\p{L}`.
    case letter
    /// `\p{N}`.
    case number
    /// A number that Rust knows and Oniguruma does not.
    case newNumber
    /// The space U+0020.
    case space
    /// `\r` or `\n`.
    case lineBreak
    /// Any other `\s`.
    case otherWhiteSpace
    /// The apostrophe U+0027.
    case apostrophe
    /// `[^\s\p{L}\p{N}]` except the apostrophe.
    case other

    /// Whether `\s` matches.
    var isWhiteSpace: Bool { self == .space || self == .lineBreak || self == .otherWhiteSpace }
    /// Whether `\p{N}` matches.
    var isNumber: Bool { self == .number }
    /// Whether `[^\s\p{L}\p{N}]` matches.
    var isSymbol: Bool { self == .other || self == .apostrophe || self == .newNumber }

    /// Classifies a scalar value.
    init(of value: UInt32) {
        self = value < 0x80 ? Self.ascii[Int(value)] : Self.classify(value)
    }

    private static let ascii = (UInt32(0)..<0x80).map(classify)

    private static func classify(_ value: UInt32) -> CharacterClass {
        switch value {
        case 0x20: return .space
        case 0x0A, 0x0D: return .lineBreak
        case 0x27: return .apostrophe
        default: break
        }
        if WhiteSpace.unicode.contains(value) { return .otherWhiteSpace }
        guard let scalar = Unicode.Scalar(value) else { return .other }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            return isKnownToOniguruma(scalar) ? .letter : .other
        case .decimalNumber, .letterNumber, .otherNumber:
            return isKnownToOniguruma(scalar) ? .number : .newNumber
        default: return .other
        }
    }

    private static func isKnownToOniguruma(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x80, let age = scalar.properties.age else { return true }
        return age.major <= 16
    }

    /// Whether `\w` of Rust's `regex` matches: alphabetic, mark, decimal number, connector or join control (UTS 18).
    static func isWordCharacter(_ value: UInt32) -> Bool {
        guard let scalar = Unicode.Scalar(value) else { return false }
        let properties = scalar.properties
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }
}

/// A text with the class of each of its characters, for the pre-tokenization scanners.
struct ClassifiedText {
    /// The bytes, valid UTF-8.
    let bytes: [UInt8]
    /// The class of each character.
    private(set) var classes: [CharacterClass] = []
    /// The offset of each character in `bytes`, and the end.
    private(set) var starts: [Int] = []

    /// The number of characters.
    var count: Int { classes.count }

    /// Classifies a text. Complexity: O(length).
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        classes.reserveCapacity(bytes.count)
        starts.reserveCapacity(bytes.count + 1)
        let text = bytes.span
        var position = 0
        while position < text.count {
            let (value, length) = UTF8Scalars.scalar(in: text, at: position)
            classes.append(CharacterClass(of: value))
            starts.append(position)
            position += length
        }
        starts.append(bytes.count)
    }

    /// The scalar value of a character.
    func scalar(at character: Int) -> UInt32 { UTF8Scalars.scalar(in: bytes.span, at: starts[character]).value }
}
