import PVITModel

/// A conversation on a terminal: a line from the person, an answer from the model, and so on.
struct Conversation {
    let generator: Generator
    let system: String?
    let isRaw: Bool
    let options: GenerationOptions

    /// Talks until the person ends the input (Ctrl-D). Ctrl-C ends an answer, and between answers the program.
    func run() throws {
        StandardError.write("Ctrl-D ends the conversation, Ctrl-C an answer.\n")
        var messages = system.map { [ChatMessage(.system, $0)] } ?? []
        while true {
            try StandardOutput.write("> ")
            guard let line = readLine() else { break }
            guard !line.allSatisfy(\.isWhitespace) else { continue }
            messages.append(ChatMessage(.user, line))
            let answer = try self.answer(messages, line: line)
            messages.append(ChatMessage(.assistant, answer))
            try StandardOutput.write("\n")
        }
        try StandardOutput.write("\n")
    }

    private func answer(_ messages: [ChatMessage], line: String) throws -> String {
        Interruption.watch()
        defer { Interruption.unwatch() }
        var text = ""
        let emit = { (part: String) throws in
            try Interruption.check()
            text += part
            try StandardOutput.write(part)
        }
        do {
            let result =
                isRaw
                ? try generator.generate(generator.tokens(ofRaw: line), options, emit: emit)
                : try generator.answer(messages, options, emit: emit)
            if result.stopReason == .context { StandardError.write("\n(the context is full)") }
        } catch is Interruption {
            StandardError.write(" (interrupted)")
        }
        return text
    }
}
