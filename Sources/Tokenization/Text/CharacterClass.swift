/// What a pre-tokenization pattern wants to know of a character.
///
/// The patterns run in Oniguruma inside the `tokenizers` library, whose tables are of Unicode 16; `char::is_numeric` of
/// the `Digits` component is Rust's, of Unicode 17, as are the tables of Swift 6.3. A letter or number that is younger
/// than Unicode 16 is therefore none to a pattern. (Between these versions no character changed its category.)
enum CharacterClass: UInt8 {
    /// `\p{L}`.
    case letter
    /// `\p{N}`.
    case number
    /// A number to Rust that Oniguruma does not know yet.
    case newNumber
    /// The space U+0020.
    case space
    /// `\r` or `\n`.
    case lineBreak
    /// Any other `\s`.
    case otherWhiteSpace
    /// The apostrophe U+0027.
    case apostrophe
    /// `[^\s\p{L}\p{N}]` but for the apostrophe.
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

/// A text with the class of each of its characters: what the pre-tokenization scanners walk over.
struct ClassifiedText {
    /// The bytes, valid UTF-8.
    let bytes: [UInt8]
    /// The class of each character.
    private(set) var classes: [CharacterClass] = []
    /// The place of each character in `bytes`, and the end.
    private(set) var starts: [Int] = []

    /// The number of characters.
    var count: Int { classes.count }

    /// Classifies a text. Complexity: O(length).
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        classes.reserveCapacity(bytes.count)
        starts.reserveCapacity(bytes.count + 1)
        let text = bytes.span
        var place = 0
        while place < text.count {
            let (value, length) = UTF8Scalars.scalar(in: text, at: place)
            classes.append(CharacterClass(of: value))
            starts.append(place)
            place += length
        }
        starts.append(bytes.count)
    }

    /// The scalar value of a character.
    func scalar(at character: Int) -> UInt32 { UTF8Scalars.scalar(in: bytes.span, at: starts[character]).value }
}
