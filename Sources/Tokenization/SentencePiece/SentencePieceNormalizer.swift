/// SentencePiece's normalization of a text (normalizer.cc), for models without a table.
struct SentencePieceNormalizer: Sendable {
    /// U+2581, which replaces a space inside pieces.
    static let spaceSymbol: [UInt8] = [0xE2, 0x96, 0x81]
    private static let space = UInt8(ascii: " ")

    private let addsDummyPrefix: Bool
    private let removesExtraWhiteSpace: Bool
    private let escapesWhiteSpace: Bool
    private let userDefined: AddedTokenMatcher

    init(_ file: SentencePieceFile, userDefined: AddedTokenMatcher) {
        addsDummyPrefix = file.addsDummyPrefix
        removesExtraWhiteSpace = file.removesExtraWhiteSpace
        escapesWhiteSpace = file.escapesWhiteSpace
        self.userDefined = userDefined
    }

    /// Normalizes a text of valid UTF-8.
    ///
    /// - Parameter allowsDummyPrefix: Whether the model may put a space before the text.
    func normalize(_ text: Span<UInt8>, allowsDummyPrefix: Bool) -> [UInt8] {
        var position = 0
        // Skip white space at the start. It may be the whole text.
        while removesExtraWhiteSpace, position < text.count, text[position] == Self.space,
            unitLength(at: position, in: text) == 1
        {
            position += 1
        }
        guard position < text.count else { return [] }
        let escape = escapesWhiteSpace ? Self.spaceSymbol : [Self.space]
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 2 + 3)
        if addsDummyPrefix && allowsDummyPrefix { output.append(contentsOf: escape) }
        var isAfterSpace = removesExtraWhiteSpace
        while position < text.count {
            var unit = position..<position + unitLength(at: position, in: text)
            position = unit.upperBound
            while isAfterSpace, let first = unit.first, text[first] == Self.space { unit.removeFirst() }
            guard let last = unit.last else { continue }
            for index in unit {
                if text[index] == Self.space {
                    output.append(contentsOf: escape)
                } else {
                    output.append(text[index])
                }
            }
            isAfterSpace = removesExtraWhiteSpace && text[last] == Self.space
        }
        while removesExtraWhiteSpace, output.count >= escape.count, output.suffix(escape.count).elementsEqual(escape) {
            output.removeLast(escape.count)
        }
        return output
    }

    /// The length of the user-defined piece at a position, or else of the character.
    private func unitLength(at position: Int, in text: Span<UInt8>) -> Int {
        if let match = userDefined.match(at: position, in: text) { return match.range.count }
        return UTF8Scalars.length(startingWith: text[position])
    }
}
