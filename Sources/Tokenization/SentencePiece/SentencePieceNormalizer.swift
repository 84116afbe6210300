/// What SentencePiece does to a text before it looks for pieces (normalizer.cc), for models without a table.
struct SentencePieceNormalizer: Sendable {
    /// U+2581, which stands for a space inside pieces.
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
    /// - Parameter allowsDummyPrefix: False leaves out the space that the model would put before the text.
    func normalize(_ text: Span<UInt8>, allowsDummyPrefix: Bool) -> [UInt8] {
        var place = 0
        // White space at the start goes away, or everything.
        while removesExtraWhiteSpace, place < text.count, text[place] == Self.space,
            unitLength(at: place, in: text) == 1
        {
            place += 1
        }
        guard place < text.count else { return [] }
        let escape = escapesWhiteSpace ? Self.spaceSymbol : [Self.space]
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 2 + 3)
        if addsDummyPrefix && allowsDummyPrefix { output.append(contentsOf: escape) }
        var isAfterSpace = removesExtraWhiteSpace
        while place < text.count {
            var unit = place..<place + unitLength(at: place, in: text)
            place = unit.upperBound
            while isAfterSpace, let first = unit.first, text[first] == Self.space { unit.removeFirst() }
            guard let last = unit.last else { continue }
            for position in unit {
                if text[position] == Self.space {
                    output.append(contentsOf: escape)
                } else {
                    output.append(text[position])
                }
            }
            isAfterSpace = removesExtraWhiteSpace && text[last] == Self.space
        }
        while removesExtraWhiteSpace, output.count >= escape.count, output.suffix(escape.count).elementsEqual(escape) {
            output.removeLast(escape.count)
        }
        return output
    }

    /// The length of the user-defined piece or else of the character at a place.
    private func unitLength(at place: Int, in text: Span<UInt8>) -> Int {
        if let match = userDefined.match(at: place, in: text) { return match.range.count }
        return UTF8Scalars.length(startingWith: text[place])
    }
}
