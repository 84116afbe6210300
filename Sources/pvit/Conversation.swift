import PVITModel
import Tensors

/// A conversation on a terminal: a line from the person, an answer from the model, and so on.
struct Conversation {
    let generator: Generator
    let system: String?
    let isRaw: Bool
    /// What the conversation is about.
    let picture: Picture?
    let options: GenerationOptions

    /// Talks until the person ends the input (Ctrl-D). Ctrl-C ends an answer, and between answers the program.
    func run() throws {
        StandardError.write("Ctrl-D ends the conversation, Ctrl-C an answer.\n")
        var messages = system.map { [ChatMessage(.system, $0)] } ?? []
        while true {
            try StandardOutput.write("> ")
            guard let line = readLine() else { break }
            guard !line.allSatisfy(\.isWhitespace) else { continue }
            let text = try picture?.prompt(line, mustUseAll: false) ?? line
            messages.append(ChatMessage(.user, text))
            guard let answer = try self.answer(messages, line: text) else {
                messages.removeLast()
                continue
            }
            messages.append(ChatMessage(.assistant, answer))
            try StandardOutput.write("\n")
        }
        try StandardOutput.write("\n")
    }

    /// The answer to the last message, or to the line alone; nil when the message was not understood.
    private func answer(_ messages: [ChatMessage], line: String) throws -> String? {
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
                ? try generator.complete(line, image: picture?.image, options, emit: emit)
                : try generator.answer(messages, image: picture?.image, options, emit: emit)
            if result.stopReason == .context { StandardError.write("\n(the context is full)") }
            result.noteLosses()
        } catch let error as PVITError where [.promptRegion, .promptImages].contains(error.code) {
            // A slip of the pen does not end a conversation.
            StandardError.write("\(error)\n")
            return nil
        } catch is Interruption {
            StandardError.write(" (interrupted)")
        }
        return text
    }
}
