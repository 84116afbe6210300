import LanguageModel
import PVITModel
import Storage

/// A conversation on a terminal: a message from the person, an answer from the model, and so on.
final class Conversation {
    let generator: Generator
    let isRaw: Bool
    let display: ConversationDisplay
    var state: ConversationState
    /// How the last answer came about.
    var lastResult: GenerationResult?
    private let editor: LineEditor
    private var history: InputHistory?
    private var leavesOnInterrupt = false

    /// Takes the terminal for a conversation.
    ///
    /// - Throws: `terminal.none`, `history.file`, and `chat.template` when the model has none.
    init(generator: Generator, isRaw: Bool, state: ConversationState, history: InputHistory?) throws {
        if !isRaw { _ = try generator.model.chatTemplate }
        self.generator = generator
        self.isRaw = isRaw
        self.state = state
        self.history = history
        let screen = try TerminalScreen()
        display = ConversationDisplay(screen: screen)
        editor = try LineEditor(screen: screen, complete: ConversationCommand.completion)
        for line in history?.lines ?? [] { editor.remember(line) }
    }

    /// Talks until the person leaves.
    ///
    /// - Throws: `Interruption` when Ctrl-C was pressed twice, and `file.write-failed` when answers cannot be written.
    func run() throws {
        defer { editor.close() }
        display.note("/help shows what can be done here; Ctrl-D leaves, Ctrl-C stops an answer")
        let reader = MessageReader(editor: editor)
        while true {
            switch reader.read() {
            case .end: return
            case .interrupted(let wasEmpty):
                if wasEmpty, leavesOnInterrupt { throw Interruption() }
                leavesOnInterrupt = wasEmpty
                if wasEmpty { display.note("Ctrl-C again leaves") }
            case .message(let message):
                leavesOnInterrupt = false
                guard !message.text.allSatisfy(\.isWhitespace) else { continue }
                keep(message)
                guard try handle(message) else { return }
            }
        }
    }

    /// Puts a message into the histories.
    private func keep(_ message: MessageReader.Typed) {
        editor.remember(message.line)
        do { try history?.add(message.text) } catch {
            // It would fail for every line, so it is said once.
            history = nil
            display.error(error)
        }
    }

    /// Does what a message asks for; false to leave.
    private func handle(_ message: MessageReader.Typed) throws -> Bool {
        switch message.mayBeCommand ? ConversationCommand.meaning(of: message.text) : .message(message.text) {
        case .message(let message): try send(message)
        case .command(.exit, _): return false
        case .command(let command, let argument):
            do { try perform(command, argument) } catch { display.error(error) }
        case .unknown(let name, let nearest):
            display.note(
                "there is no command \(name)\(nearest.map { "; did you mean \($0)?" } ?? "; /help shows them all"). "
                    + "A message that begins with / is written with //")
        }
        return true
    }

    /// Answers a message. Whatever is wrong with it is told, and the conversation goes on as if it had not been sent.
    private func send(_ text: String) throws {
        do {
            let question = try state.picture?.prompt(text, mustUseAll: false) ?? text
            state.messages.append(ChatMessage(.user, question))
            try answer(question)
        } catch let error as PVITError where error.code != .outputFailed {
            state.messages.removeLast(state.messages.count % 2)
            ReadingProgress.finish()
            display.endAnswer()
            if [.contextFull, .promptTooLong].contains(error.code) {
                display.note(
                    "\(error.what), so the message was not sent. The up arrow brings it back; /undo and /reset make room, "
                        + "and /slide drops the oldest part")
            } else {
                display.error(error)
            }
        }
        if isRaw { state.messages = [] }
    }

    private func answer(_ question: String) throws {
        var text = ""
        let emit = { [display] (part: String) throws in
            ReadingProgress.finish()
            text += part
            try display.answer(part)
            try Interruption.check()
        }
        do {
            let result = try TerminalSession.answering {
                isRaw
                    ? try generator.complete(question, image: state.picture?.image, state.options, emit: emit)
                    : try generator.answer(
                        state.wholeConversation, image: state.picture?.image, state.options, emit: emit)
            }
            lastResult = result
            display.endAnswer()
            for note in result.losses { display.note(note) }
            if result.stopReason == .length { for note in result.ending { display.note(note) } }
            if result.stopReason == .context {
                display.note(
                    "the context of \(generator.contextLength) tokens is full, so the answer ends here. /undo and /reset "
                        + "make room, and /slide drops the oldest part")
            }
        } catch is Interruption {
            ReadingProgress.finish()
            display.endAnswer()
            guard !text.isEmpty else {
                state.messages.removeLast(state.messages.count % 2)
                return display.note("stopped before the answer began, so the question is taken back")
            }
            display.note("stopped")
        }
        state.messages.append(ChatMessage(.assistant, text))
    }
}
