/// The pre-tokenization patterns that are implemented, as scanners that match exactly what the regular expression
/// would.
///
/// Each pattern matches at every position of every text, so a text is the sequence of its matches.
enum SplitPattern: Sendable, CaseIterable {
    /// GPT-2 and SmolLM: the pattern inside `ByteLevel`.
    case gpt2
    /// LLaMA-3 (and OpenAI's cl100k in the form of its conversion).
    case llama3
    /// Qwen2: LLaMA-3's with each digit alone.
    case qwen2

    /// The regular expression, in Oniguruma's syntax, as tokenizer files have it.
    var expression: String {
        switch self {
        case .gpt2:
            Self.gpt2WordsExpression + #"|\s+"#
        case .llama3:
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
                + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .qwen2:
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
                + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        }
    }

    /// GPT-2's expression without its last alternative, white space in front of a word: GGUF files without a name for
    /// their pre-tokenizer use it.
    static let gpt2WordsExpression =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#

    /// The pattern with this expression, or nil.
    init?(expression: String) {
        guard let known = Self.allCases.first(where: { $0.expression.utf8.elementsEqual(expression.utf8) }) else {
            return nil
        }
        self = known
    }

    /// The end of the match that starts at character `start`, in a text that ends at `end` for the pattern's purposes.
    func matchEnd(from start: Int, to end: Int, in text: ClassifiedText) -> Int {
        switch self {
        case .gpt2: Self.gpt2End(from: start, to: end, in: text)
        case .llama3: Self.llama3End(from: start, to: end, in: text, digits: 3)
        case .qwen2: Self.llama3End(from: start, to: end, in: text, digits: 1)
        }
    }

    private static func run(
        from start: Int, to end: Int, in text: ClassifiedText, while matches: (CharacterClass) -> Bool
    ) -> Int {
        var position = start
        while position < end, matches(text.classes[position]) { position += 1 }
        return position
    }

    private static func gpt2End(from start: Int, to end: Int, in text: ClassifiedText) -> Int {
        let first = text.classes[start]
        if first == .apostrophe, let length = contraction(at: start, to: end, in: text, ignoringCase: false) {
            return start + length
        }
        // ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
        let body = first == .space && start + 1 < end ? start + 1 : start
        switch text.classes[body] {
        case .letter: return run(from: body, to: end, in: text) { $0 == .letter }
        case .number: return run(from: body, to: end, in: text) { $0.isNumber }
        case let symbol where symbol.isSymbol: return run(from: body, to: end, in: text) { $0.isSymbol }
        default: return whiteSpaceEnd(from: start, to: end, in: text)
        }
    }

    private static func llama3End(from start: Int, to end: Int, in text: ClassifiedText, digits: Int) -> Int {
        let first = text.classes[start]
        if first == .apostrophe, let length = contraction(at: start, to: end, in: text, ignoringCase: true) {
            return start + length
        }
        // `[^\r\n\p{L}\p{N}]?\p{L}+`
        let body = first == .letter || first == .number || first == .lineBreak ? start : start + 1
        if body < end, text.classes[body] == .letter { return run(from: body, to: end, in: text) { $0 == .letter } }
        // `\p{N}{1,3}`
        if first.isNumber { return run(from: start, to: min(end, start + digits), in: text) { $0.isNumber } }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
        let symbols = first == .space && start + 1 < end ? start + 1 : start
        if text.classes[symbols].isSymbol {
            let last = run(from: symbols, to: end, in: text) { $0.isSymbol }
            return run(from: last, to: end, in: text) { $0 == .lineBreak }
        }
        // `\s*[\r\n]+`: up to the last line break of the white space.
        let spaces = run(from: start, to: end, in: text) { $0.isWhiteSpace }
        if let last = (start..<spaces).last(where: { text.classes[$0] == .lineBreak }) { return last + 1 }
        return whiteSpaceEnd(from: start, to: end, in: text)
    }

    /// `\s+(?!\S)|\s+`: the white space, but for its last character when something else follows it.
    private static func whiteSpaceEnd(from start: Int, to end: Int, in text: ClassifiedText) -> Int {
        let last = run(from: start, to: end, in: text) { $0.isWhiteSpace }
        return last == end || last == start + 1 ? last : last - 1
    }

    /// The length of `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe, or nil. Case folding makes "ſ" (U+017F) an "s".
    private static func contraction(at start: Int, to end: Int, in text: ClassifiedText, ignoringCase: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt32? {
            guard start + offset < end else { return nil }
            let value = text.scalar(at: start + offset)
            guard ignoringCase else { return value }
            if value == 0x17F { return 0x73 }
            return (0x41...0x5A).contains(value) ? value + 0x20 : value
        }
        switch letter(1) {
        case 0x73, 0x74, 0x6D, 0x64: return 2  // s, t, m, d
        case 0x72, 0x76: return letter(2) == 0x65 ? 3 : nil  // re, ve
        case 0x6C: return letter(2) == 0x6C ? 3 : nil  // ll
        default: return nil
        }
    }
}
