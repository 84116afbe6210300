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

    /// Applies the steps in order.
    func normalize(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for step in steps {
            switch step {
            case .prepend(let prefix): if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
            case .replace(let pattern, let content): text = Self.replace(pattern, with: content, in: text)
            }
        }
        return text
    }

    /// The text with each occurrence of `pattern`, from the left and without overlaps, replaced.
    static func replace(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        guard let first = pattern.first, text.contains(first) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var place = 0
        while place < text.count {
            if text[place] == first, text[place...].starts(with: pattern) {
                result.append(contentsOf: content)
                place += pattern.count
            } else {
                result.append(text[place])
                place += 1
            }
        }
        return result
    }
}
