import Storage

/// A line in a file of answers to FineEval's questions.
enum AnswerLine {
    /// The line of an answer, without the line feed.
    static func line(_ answer: String, to question: FineEvalQuestion) -> [UInt8] {
        let json: JSONValue = [
            "image": .string(question.image), "instruction": .string(question.instruction), "output": .string(answer),
        ]
        return json.encoded()
    }

    /// Whether bytes are the beginning of an answer's line.
    static func isBeginning(_ bytes: some Collection<UInt8>, ofAnswerTo question: FineEvalQuestion) -> Bool {
        // The line without the text of the answer.
        let whole = line("", to: question)
        let before = whole.dropLast(2)
        guard bytes.count > before.count else { return before.starts(with: bytes) }
        guard bytes.starts(with: before) else { return false }
        let answer = bytes.dropFirst(before.count)
        // Quotation marks inside the answer are escaped. One that is not escaped ends it, so it must be the last byte.
        var isEscaped = false
        for (index, byte) in answer.enumerated() {
            if byte < 0x20 { return false }
            if byte == UInt8(ascii: "\""), !isEscaped { return index + 1 == answer.count }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return true
    }
}
