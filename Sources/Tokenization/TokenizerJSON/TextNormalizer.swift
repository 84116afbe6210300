/// The `normalizer` of a tokenizer.json: steps that change a text before it is cut.
struct TextNormalizer: Sendable {
    /// One step.
    enum Step: Sendable, Equatable {
        /// Puts a text before every text that is not empty.
        case prepend([UInt8])
        /// Replaces each occurrence of a text.
        case replace([UInt8], with: [UInt8])

        /// How many times longer the step can make a text, rounded up.
        var expansion: Int {
            guard case .replace(let pattern, let content) = self else { return 1 }
            return max(1, (content.count + pattern.count - 1) / max(1, pattern.count))
        }
    }

    let steps: [Step]

    /// The same normalizer, but nothing is put before a text.
    var withoutPrefix: TextNormalizer {
        TextNormalizer(steps: steps.filter { if case .prepend = $0 { false } else { true } })
    }

    /// Applies the steps in order.
    func normalize(_ text: [UInt8]) -> [UInt8] { normalize(MarkedText(text, recogniseSpecial: false)).bytes }

    /// The same for a text that remembers where special tokens are recognised.
    func normalize(_ text: MarkedText) -> MarkedText {
        var text = text
        for step in steps {
            switch step {
            case .prepend(let prefix): if !text.bytes.isEmpty { text = text.prepending(prefix) }
            case .replace(let pattern, let content): text = text.replacing(pattern, with: content)
            }
        }
        return text
    }

    /// The text with each occurrence of `pattern`, from the left and without overlaps, replaced.
    static func replace(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        var marks: [Int] = []
        return replace(pattern, with: content, in: text, marks: &marks)
    }

    /// The same, which also moves places in the text, in ascending order, to where they are afterwards; a place inside
    /// of a replaced pattern moves to the end of what replaces it.
    static func replace(
        _ pattern: [UInt8], with content: [UInt8], in text: [UInt8], marks: inout [Int]
    ) -> [UInt8] {
        guard let first = pattern.first, text.contains(first) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var place = 0
        var mark = 0
        while place < text.count {
            while mark < marks.count, marks[mark] <= place {
                marks[mark] = result.count
                mark += 1
            }
            if text[place] == first, text[place...].starts(with: pattern) {
                result.append(contentsOf: content)
                place += pattern.count
            } else {
                result.append(text[place])
                place += 1
            }
        }
        for rest in mark..<marks.count { marks[rest] = result.count }
        return result
    }
}
