/// The `pre_tokenizer` of a tokenizer.json: cuts a text into words, which the model encodes one by one.
struct PreTokenizer: Sendable {
    /// One step. Each step works on the words of the step before it.
    enum Step: Sendable, Equatable {
        /// `Split` with behaviour Isolated.
        case split(SplitPattern)
        /// `Digits`.
        case digits(individual: Bool)
        /// `add_prefix_space` of `ByteLevel`: puts a space before each word that does not begin with one.
        case prefixSpace
        /// `Metaspace`.
        case metaspace(Metaspace)
    }

    /// How `Metaspace` treats spaces.
    struct Metaspace: Sendable, Equatable {
        /// Which words get the replacement in front.
        enum Prefix: String, Sendable { case always, first, never }
        /// The replacement of a space.
        var replacement: [UInt8]
        var prefix: Prefix
        /// Whether words are cut before each replacement.
        var splits: Bool
    }

    let steps: [Step]

    /// The same pre-tokenizer, but `Metaspace` puts nothing before a text.
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
    /// - Parameter isStart: Whether this is the start of the whole text.
    func forEachWord(of text: [UInt8], isStart: Bool, _ body: (Span<UInt8>) -> Void) {
        guard !text.isEmpty else { return }
        var words = Words(text: text, ends: [text.count])
        for step in steps { words = apply(step, to: words, isStart: isStart) }
        let span = words.text.span
        var start = 0
        for end in words.ends {
            body(span.extracting(start..<end))
            start = end
        }
    }

    /// A text cut into words, none of them empty.
    private struct Words {
        var text: [UInt8]
        var ends: [Int]
        /// The text with the classes of its characters, once a scanner has needed them.
        var classified: ClassifiedText?
    }

    private func apply(_ step: Step, to words: Words, isStart: Bool) -> Words {
        switch step {
        case .split(let pattern):
            return scan(words) { start, end, text in pattern.matchEnd(from: start, to: end, in: text) }
        case .digits(let individual):
            return scan(words) { start, end, text in
                let isNumeric = { (position: Int) in
                    text.classes[position] == .number || text.classes[position] == .newNumber
                }
                let first = isNumeric(start)
                var position = start + 1
                while position < end, isNumeric(position) == first, !(first && individual) { position += 1 }
                return position
            }
        case .prefixSpace:
            return rewrite(words) { word, _, output in
                if word.first != UInt8(ascii: " ") { output.text.append(UInt8(ascii: " ")) }
                output.text.append(contentsOf: word)
                output.ends.append(output.text.count)
            }
        case .metaspace(let metaspace):
            return rewrite(words) { word, isFirst, output in
                metaspace.append(word, isFirst: isStart && isFirst, to: &output.text, ends: &output.ends)
            }
        }
    }

    /// Cuts each word at the ends of matches. `matchEnd` takes a match's first character and the end of the word.
    private func scan(_ words: Words, _ matchEnd: (Int, Int, ClassifiedText) -> Int) -> Words {
        let text = words.classified ?? ClassifiedText(words.text)
        var ends: [Int] = []
        ends.reserveCapacity(words.ends.count + text.count / 4)
        var position = 0
        var wordEnd = 0
        for end in words.ends {
            while text.starts[wordEnd] < end { wordEnd += 1 }
            while position < wordEnd {
                position = matchEnd(position, wordEnd, text)
                ends.append(text.starts[position])
            }
        }
        return Words(text: words.text, ends: ends, classified: text)
    }

    private func rewrite(_ words: Words, _ body: (ArraySlice<UInt8>, Bool, inout Words) -> Void) -> Words {
        var output = Words(text: [], ends: [])
        output.text.reserveCapacity(words.text.count + words.text.count / 2)
        var start = 0
        for end in words.ends {
            body(words.text[start..<end], start == 0, &output)
            start = end
        }
        return output
    }
}

extension PreTokenizer.Metaspace {
    /// Appends a word, changed and cut.
    fileprivate func append(_ word: ArraySlice<UInt8>, isFirst: Bool, to text: inout [UInt8], ends: inout [Int]) {
        var word = TextNormalizer.replace([UInt8(ascii: " ")], with: replacement, in: Array(word))
        if prefix == .always || prefix == .first && isFirst, !word.starts(with: replacement) {
            word.insert(contentsOf: replacement, at: 0)
        }
        var position = 0
        while position < word.count {
            if splits, position > 0, word[position] == replacement[0], word[position...].starts(with: replacement) {
                ends.append(text.count)
            }
            text.append(word[position])
            position += 1
        }
        ends.append(text.count)
    }
}
