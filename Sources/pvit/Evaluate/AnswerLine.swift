import Storage

/// A line of the answers to FineEval's questions.
enum AnswerLine {
    /// The line of an answer, without its line feed.
    static func line(_ answer: String, to question: FineEvalQuestion) -> [UInt8] {
        let json: JSONValue = [
            "image": .string(question.image), "instruction": .string(question.instruction), "output": .string(answer),
        ]
        return json.encoded()
    }

    /// Whether a line was cut off while it was written.
    static func isBeginning(_ bytes: some Collection<UInt8>, ofAnswerTo question: FineEvalQuestion) -> Bool {
        // What stands before the answer and behind it.
        let whole = line("", to: question)
        let before = whole.dropLast(2)
        guard bytes.count > before.count else { return before.starts(with: bytes) }
        guard bytes.starts(with: before) else { return false }
        let answer = bytes.dropFirst(before.count)
        // The answer may end with a quotation mark that the line's end did not follow; inside it has none that is not
        // escaped.
        var isEscaped = false
        for (place, byte) in answer.enumerated() {
            if byte < 0x20 { return false }
            if byte == UInt8(ascii: "\""), !isEscaped { return place + 1 == answer.count }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return true
    }
}
