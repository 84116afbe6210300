import Storage
import Tensors

/// The added tokens of a tokenizer. Cuts texts at them.
struct AddedVocabulary: Sendable {
    /// One segment of a text that was cut at added tokens.
    enum Segment: Equatable {
        /// Text for the model.
        case text(Range<Int>)
        /// An added token.
        case token(TokenID)
    }

    /// All added tokens, by ascending id.
    let tokens: [AddedToken]
    private let contents: [[UInt8]]
    private let numberOfContent: [[UInt8]: Int]
    private let numberOfID: [TokenID: Int]
    private let matcher: AddedTokenMatcher
    private let normalizedMatcher: AddedTokenMatcher
    /// The number of bytes that the normalizer puts before the content of each token.
    private let prefixCounts: [Int]

    /// Creates the vocabulary.
    ///
    /// - Parameter normalize: How texts are normalized; tokens with `isNormalized` are found by their normalized
    ///   content.
    /// - Throws: `tokenizer.invalid` if two tokens have the same id or content, or a content is empty or too long.
    init(_ tokens: [AddedToken], normalize: ([UInt8]) -> [UInt8] = { $0 }) throws {
        let sorted = tokens.sorted { $0.id < $1.id }
        var numberOfContent: [[UInt8]: Int] = [:]
        var numberOfID: [TokenID: Int] = [:]
        for (number, token) in sorted.enumerated() {
            let content = Array(token.content.utf8)
            guard !content.isEmpty, content.count <= TokenizerLimits.pieceByteCount else {
                throw PVITError.badTokenizer(
                    "added token \(token.id) is \(content.count) bytes long, not 1 to \(TokenizerLimits.pieceByteCount)"
                )
            }
            guard numberOfContent.updateValue(number, forKey: content) == nil else {
                throw PVITError.badTokenizer("the added token \"\(token.content)\" occurs twice")
            }
            guard numberOfID.updateValue(number, forKey: token.id) == nil else {
                throw PVITError.badTokenizer("two added tokens have the id \(token.id)")
            }
        }
        self.tokens = sorted
        self.numberOfContent = numberOfContent
        self.numberOfID = numberOfID
        contents = sorted.map { Array($0.content.utf8) }
        var plain: [AddedTokenMatcher.Pattern] = []
        var normalized: [AddedTokenMatcher.Pattern] = []
        var prefixCounts = Array(repeating: 0, count: sorted.count)
        for (number, token) in sorted.enumerated() {
            if token.isNormalized {
                let text = normalize(contents[number])
                normalized.append(.init(text: text, token: number))
                if text.reversed().starts(with: contents[number].reversed()) {
                    prefixCounts[number] = text.count - contents[number].count
                }
            } else {
                plain.append(.init(text: contents[number], token: number))
            }
        }
        self.prefixCounts = prefixCounts
        matcher = AddedTokenMatcher(plain)
        normalizedMatcher = AddedTokenMatcher(normalized)
    }

    /// Whether some tokens are searched for in the normalized text.
    var hasNormalizedTokens: Bool { !normalizedMatcher.isEmpty }

    /// The added token with an id.
    subscript(id: TokenID) -> AddedToken? { numberOfID[id].map { tokens[$0] } }

    /// The added token with a content. Contents are compared byte by byte.
    func token(withContent content: [UInt8]) -> AddedToken? { numberOfContent[content].map { tokens[$0] } }

    /// Finds added tokens in a text: the leftmost, and of those the longest. Matches do not overlap.
    ///
    /// A special token outside the parsed ranges is skipped as a whole, as in the `tokenizers` library, but at most to
    /// the start of the next parsed range, where a token may begin.
    ///
    /// Reserved tokens, and tokens that the parsed ranges spell, are treated as special: a message must not spell a
    /// template's marks, even if the tokenizer does not list them as special.
    ///
    /// - Parameter isNormalized: Whether `text` is normalized. Decides which tokens are searched for.
    private func matches(in text: MarkedText, isNormalized: Bool) -> [AddedTokenMatcher.Match] {
        let matcher = isNormalized ? normalizedMatcher : matcher
        var found: [AddedTokenMatcher.Match] = []
        guard !matcher.isEmpty else { return found }
        let bytes = text.bytes.span
        var ranges = ParsedRanges(text)
        let marks = marks(in: text, matcher)
        func counts(_ match: AddedTokenMatcher.Match) -> Bool {
            let token = tokens[match.token]
            guard token.isSpecial || text.reserved.contains(token.id) || marks.contains(match.token) else {
                return true
            }
            // A space that the normalizer adds to the token may lie outside the parsed range.
            let start = match.range.lowerBound + (isNormalized ? prefixCounts[match.token] : 0)
            return ranges.contain(start..<match.range.upperBound)
        }
        var position = 0
        while position < bytes.count {
            guard let match = matcher.match(at: position, in: bytes) else {
                position += 1
                continue
            }
            let (parsesSpecial, end) = ranges.lookUp(position)
            if counts(match) {
                found.append(match)
                position = match.range.upperBound
            } else if parsesSpecial, let shorter = matcher.match(at: position, in: bytes.extracting(0..<end)),
                counts(shorter)
            {
                found.append(shorter)
                position = shorter.range.upperBound
            } else {
                position = min(match.range.upperBound, end)
            }
        }
        return found
    }

    /// The tokens that the parsed ranges spell, except white space. Empty if special tokens are parsed everywhere.
    private func marks(in text: MarkedText, _ matcher: AddedTokenMatcher) -> Set<Int> {
        guard text.parsedRanges.reduce(0, { $0 + $1.count }) < text.bytes.count else { return [] }
        var marks: Set<Int> = []
        for range in text.parsedRanges {
            let bytes = text.bytes.span.extracting(0..<range.upperBound)
            var position = range.lowerBound
            while position < range.upperBound {
                guard let match = matcher.match(at: position, in: bytes) else {
                    position += 1
                    continue
                }
                if !tokens[match.token].content.allSatisfy(\.isWhitespace) { marks.insert(match.token) }
                position = match.range.upperBound
            }
        }
        return marks
    }

    /// Cuts a text as the `tokenizers` library does.
    ///
    /// - Parameter isNormalized: Whether `text` is normalized. Decides which tokens are searched for.
    func segments(in marked: MarkedText, isNormalized: Bool) -> [Segment] {
        let text = marked.bytes.span
        var segments: [Segment] = []
        var start = 0
        // The end of the white space that was stripped, so that none is scanned twice.
        var strippedEnd = 0
        for match in matches(in: marked, isNormalized: isNormalized) {
            let token = tokens[match.token]
            if token.singleWord && !isWholeWord(match.range, in: text) { continue }
            var range = match.range
            if token.stripsLeft, range.lowerBound > start {
                let left = WhiteSpace.unicode.start(before: range.lowerBound, in: text, limit: start)
                range = left..<range.upperBound
            }
            if token.stripsRight {
                if strippedEnd < range.upperBound {
                    strippedEnd = WhiteSpace.unicode.end(from: range.upperBound, in: text, limit: text.count)
                }
                range = range.lowerBound..<max(range.upperBound, strippedEnd)
            }
            if start < range.lowerBound { segments.append(.text(start..<range.lowerBound)) }
            segments.append(.token(token.id))
            start = range.upperBound
        }
        if start < text.count { segments.append(.text(start..<text.count)) }
        return segments
    }

    private func isWholeWord(_ range: Range<Int>, in text: Span<UInt8>) -> Bool {
        if range.lowerBound > 0 {
            let before = UTF8Scalars.start(before: range.lowerBound, in: text)
            if CharacterClass.isWordCharacter(UTF8Scalars.scalar(in: text, at: before).value) { return false }
        }
        guard range.upperBound < text.count else { return true }
        return !CharacterClass.isWordCharacter(UTF8Scalars.scalar(in: text, at: range.upperBound).value)
    }

    /// Cuts a text as the slow tokenizers of `transformers` 4.33 do: first at all tokens; then each token strips white
    /// space (Python's) from its neighbours.
    ///
    /// A neighbour that is a token itself and loses white space becomes text, as it does there.
    func segmentsOfSlowTokenizer(in marked: MarkedText) -> [Segment] {
        let text = marked.bytes.span
        var slices: [(range: Range<Int>, token: Int?)] = []
        var start = 0
        for match in matches(in: marked, isNormalized: false) {
            if start < match.range.lowerBound { slices.append((start..<match.range.lowerBound, nil)) }
            slices.append((match.range, match.token))
            start = match.range.upperBound
        }
        if start < text.count { slices.append((start..<text.count, nil)) }
        func strip(_ number: Int, to range: Range<Int>) {
            guard slices[number].range != range else { return }
            let token = numberOfContent[range.map { text[$0] }]
            slices[number] = (range, slices[number].token == nil ? nil : token)
        }
        for number in slices.indices {
            guard let token = slices[number].token.map({ tokens[$0] }) else { continue }
            if token.stripsRight, number + 1 < slices.count {
                let right = slices[number + 1].range
                strip(
                    number + 1,
                    to: WhiteSpace.python.end(
                        from: right.lowerBound, in: text, limit: right.upperBound)..<right.upperBound)
            }
            if token.stripsLeft, number > 0 {
                let left = slices[number - 1].range
                strip(
                    number - 1,
                    to: left
                        .lowerBound..<WhiteSpace.python.start(before: left.upperBound, in: text, limit: left.lowerBound)
                )
            }
        }
        return slices.compactMap { slice in
            if slice.range.isEmpty { return nil }
            return slice.token.map { .token(tokens[$0].id) } ?? .text(slice.range)
        }
    }
}
