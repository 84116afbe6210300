/// The `pre_tokenizer` of a tokenizer.json: cuts a text into the words that are encoded one by one.
struct PreTokenizer: Sendable {
    /// One step; each works on the pieces that the one before it left.
    enum Step: Sendable, Equatable {
        /// `Split` with behaviour Isolated.
        case split(SplitPattern)
        /// `Digits`.
        case digits(individual: Bool)
        /// The part of `ByteLevel` that changes the text: a space before each piece that has none.
        case prefixSpace
        /// `Metaspace`.
        case metaspace(Metaspace)
    }

    /// How `Metaspace` treats spaces.
    struct Metaspace: Sendable, Equatable {
        /// Which pieces get the replacement in front.
        enum Prefix: String, Sendable { case always, first, never }
        /// What replaces a space.
        var replacement: [UInt8]
        var prefix: Prefix
        /// Whether the text is cut before each replacement.
        var splits: Bool
    }

    let steps: [Step]

    /// The same, but `Metaspace` puts nothing before a text.
    var withoutPrefix: PreTokenizer {
        PreTokenizer(
            steps: steps.map { step in
                guard case .metaspace(var metaspace) = step else { return step }
                metaspace.prefix = .never
                return .metaspace(metaspace)
            })
    }

    /// Calls `body` with each word of a text.
    ///
    /// - Parameter isStart: Whether the text is the start of all that is encoded.
    func forEachWord(of text: [UInt8], isStart: Bool, _ body: (Span<UInt8>) -> Void) {
        guard !text.isEmpty else { return }
        var pieces = Pieces(text: text, ends: [text.count])
        for step in steps { pieces = apply(step, to: pieces, isStart: isStart) }
        let span = pieces.text.span
        var start = 0
        for end in pieces.ends {
            body(span.extracting(start..<end))
            start = end
        }
    }

    /// A text cut into pieces, none of them empty.
    private struct Pieces {
        var text: [UInt8]
        var ends: [Int]
        /// The text as scanners see it, once one has.
        var classified: ClassifiedText?
    }

    private func apply(_ step: Step, to pieces: Pieces, isStart: Bool) -> Pieces {
        switch step {
        case .split(let pattern):
            return scan(pieces) { start, end, text in pattern.matchEnd(from: start, to: end, in: text) }
        case .digits(let individual):
            return scan(pieces) { start, end, text in
                let isNumeric = { (place: Int) in text.classes[place] == .number || text.classes[place] == .newNumber }
                let first = isNumeric(start)
                var place = start + 1
                while place < end, isNumeric(place) == first, !(first && individual) { place += 1 }
                return place
            }
        case .prefixSpace:
            return rewrite(pieces) { piece, _, output in
                if piece.first != UInt8(ascii: " ") { output.text.append(UInt8(ascii: " ")) }
                output.text.append(contentsOf: piece)
                output.ends.append(output.text.count)
            }
        case .metaspace(let metaspace):
            return rewrite(pieces) { piece, isFirst, output in
                metaspace.append(piece, isFirst: isStart && isFirst, to: &output.text, ends: &output.ends)
            }
        }
    }

    /// Cuts each piece at the places that `matchEnd` gives for a first character and the end of the piece.
    private func scan(_ pieces: Pieces, _ matchEnd: (Int, Int, ClassifiedText) -> Int) -> Pieces {
        let text = pieces.classified ?? ClassifiedText(pieces.text)
        var ends: [Int] = []
        ends.reserveCapacity(pieces.ends.count + text.count / 4)
        var place = 0
        var pieceEnd = 0
        for end in pieces.ends {
            while text.starts[pieceEnd] < end { pieceEnd += 1 }
            while place < pieceEnd {
                place = matchEnd(place, pieceEnd, text)
                ends.append(text.starts[place])
            }
        }
        return Pieces(text: pieces.text, ends: ends, classified: text)
    }

    private func rewrite(_ pieces: Pieces, _ body: (ArraySlice<UInt8>, Bool, inout Pieces) -> Void) -> Pieces {
        var output = Pieces(text: [], ends: [])
        output.text.reserveCapacity(pieces.text.count + pieces.text.count / 2)
        var start = 0
        for end in pieces.ends {
            body(pieces.text[start..<end], start == 0, &output)
            start = end
        }
        return output
    }
}

extension PreTokenizer.Metaspace {
    /// Appends a piece, changed and cut.
    fileprivate func append(_ piece: ArraySlice<UInt8>, isFirst: Bool, to text: inout [UInt8], ends: inout [Int]) {
        var piece = TextNormalizer.replace([UInt8(ascii: " ")], with: replacement, in: Array(piece))
        if prefix == .always || prefix == .first && isFirst, !piece.starts(with: replacement) {
            piece.insert(contentsOf: replacement, at: 0)
        }
        var place = 0
        while place < piece.count {
            if splits, place > 0, piece[place] == replacement[0], piece[place...].starts(with: replacement) {
                ends.append(text.count)
            }
            text.append(piece[place])
            place += 1
        }
        ends.append(text.count)
    }
}
