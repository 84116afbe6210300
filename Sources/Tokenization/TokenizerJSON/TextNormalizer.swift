/// The `normalizer` of a tokenizer.json: steps that change a text before it is cut into words.
struct TextNormalizer: Sendable {
    /// One step.
    enum Step: Sendable, Equatable {
        /// `Prepend`: puts a prefix before a text that is not empty.
        case prepend([UInt8])
        /// `Replace`: replaces each occurrence of a pattern.
        case replace([UInt8], with: [UInt8])

        /// The largest factor by which the step can lengthen a text, rounded up.
        var expansion: Int {
            guard case .replace(let pattern, let content) = self else { return 1 }
            return max(1, (content.count + pattern.count - 1) / max(1, pattern.count))
        }
    }

    let steps: [Step]

    /// The same normalizer without `Prepend`.
    var withoutPrefix: TextNormalizer {
        TextNormalizer(steps: steps.filter { if case .prepend = $0 { false } else { true } })
    }

    /// Applies the steps in order.
    func normalize(_ text: [UInt8]) -> [UInt8] { normalize(MarkedText(text, parseSpecial: false)).bytes }

    /// Applies the steps in order, and keeps track of the ranges in which special tokens are parsed.
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

    /// The text with each occurrence of `pattern` replaced, from left to right and without overlaps.
    static func replace(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        var marks: [Int] = []
        return replace(pattern, with: content, in: text, marks: &marks)
    }

    /// The text with each occurrence of `pattern` replaced.
    ///
    /// - Parameter marks: Positions in the text, ascending. They are updated: a mark inside an occurrence moves to the
    ///   end of the replacement.
    static func replace(
        _ pattern: [UInt8], with content: [UInt8], in text: [UInt8], marks: inout [Int]
    ) -> [UInt8] {
        guard let first = pattern.first, text.contains(first) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var position = 0
        var mark = 0
        while position < text.count {
            while mark < marks.count, marks[mark] <= position {
                marks[mark] = result.count
                mark += 1
            }
            if text[position] == first, text[position...].starts(with: pattern) {
                result.append(contentsOf: content)
                position += pattern.count
            } else {
                result.append(text[position])
                position += 1
            }
        }
        for rest in mark..<marks.count { marks[rest] = result.count }
        return result
    }
}
