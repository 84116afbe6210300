import LanguageModel
import PVITModel
import Storage

/// A conversation on a terminal: messages from the user and answers from the model, in turn.
final class Conversation {
    let generator: Generator
    let isRaw: Bool
    let display: ConversationDisplay
    var state: ConversationState
    /// The last answer with its statistics.
    var lastResult: GenerationResult?
    /// What the session file has.
    private(set) var lastSession: Session.Summary?
    private let editor: LineEditor
    private var history: InputHistory?
    private var session: Session?
    private var leavesOnInterrupt = false

    /// Prepares the terminal for a conversation.
    ///
    /// - Throws: `terminal.none`, and `chat.template` if the model has none.
    init(
        generator: Generator, isRaw: Bool, state: ConversationState, history: InputHistory?, session: Session?
    ) throws {
        if !isRaw { _ = try generator.model.chatTemplate }
        self.generator = generator
        self.isRaw = isRaw
        self.state = state
        self.history = history
        self.session = session
        let screen = try TerminalScreen()
        display = ConversationDisplay(screen: screen)
        editor = try LineEditor(screen: screen, complete: ConversationCommand.completion)
        for line in history?.lines ?? [] { editor.remember(line) }
    }

    /// Runs the conversation until the user leaves.
    ///
    /// - Throws: `Interruption` if Ctrl-C is pressed twice, and `output.failed` if answers cannot be written.
    func run() throws {
        defer { editor.close() }
        display.note("/help lists the commands; Ctrl-D leaves, Ctrl-C stops an answer")
        let reader = MessageReader(editor: editor)
        while true {
            switch reader.read() {
            case .end: return
            case .interrupted(let wasEmpty):
                if wasEmpty, leavesOnInterrupt { throw Interruption() }
                leavesOnInterrupt = wasEmpty
                if wasEmpty { display.note("press Ctrl-C again to leave") }
            case .message(let message):
                leavesOnInterrupt = false
                guard !message.text.allSatisfy(\.isWhitespace) else { continue }
                keep(message)
                guard try handle(message) else { return }
            }
        }
    }

    /// Adds a message to the editor's history and to the history file.
    private func keep(_ message: MessageReader.Typed) {
        editor.remember(message.line)
        do { try history?.add(message.text) } catch {
            // Report the first failure only: the next messages would fail too.
            history = nil
            display.error(error)
        }
    }

    /// Handles a message or a command. Returns false to leave.
    private func handle(_ message: MessageReader.Typed) throws -> Bool {
        switch message.mayBeCommand ? ConversationCommand.meaning(of: message.text) : .message(message.text) {
        case .message(let message): try send(message)
        case .command(.exit, _): return false
        case .command(let command, let argument):
            do { try perform(command, argument) } catch { display.error(error) }
        case .unknown(let name, let nearest):
            display.note(
                "there is no command \(name)\(nearest.map { "; did you mean \($0)?" } ?? "; /help lists them"). "
                    + "Write // to begin a message with /")
        }
        return true
    }

    /// Answers a message. If that fails, reports the error and continues as if the message had not been sent.
    private func send(_ text: String) throws {
        do {
            let message = try state.picture?.prompt(text, mustUseAll: false) ?? text
            state.messages.append(ChatMessage(.user, message))
            try answer(message)
        } catch let error as PVITError where error.code != .outputFailed {
            state.messages.removeLast(state.messages.count % 2)
            PrefillProgress.finish()
            display.endAnswer()
            if [.contextFull, .promptTooLong].contains(error.code) {
                display.note(
                    "\(error.what), so the message was not sent. The up arrow recalls it; /undo and /reset make room, "
                        + "and /slide drops the oldest tokens")
            } else {
                display.error(error)
            }
        }
        if isRaw { state.messages = [] }
    }

    private func answer(_ message: String) throws {
        var text = ""
        let emit = { [display] (chunk: String) throws in
            PrefillProgress.finish()
            text += chunk
            try display.answer(chunk)
            try Interruption.check()
        }
        do {
            let result = try TerminalSession.answering {
                isRaw
                    ? try generator.complete(message, image: state.picture?.image, state.options, emit: emit)
                    : try generator.answer(
                        state.wholeConversation, image: state.picture?.image, state.options, emit: emit)
            }
            lastResult = result
            display.endAnswer()
            for note in result.losses { display.note(note) }
            if result.stopReason == .length { for note in result.ending { display.note(note) } }
            if result.stopReason == .context {
                display.note(
                    "the answer ends here because the context of \(generator.contextLength) tokens is full. /undo and "
                        + "/reset make room, and /slide drops the oldest tokens")
            }
        } catch is Interruption {
            PrefillProgress.finish()
            display.endAnswer()
            guard !text.isEmpty else {
                state.messages.removeLast(state.messages.count % 2)
                return display.note("stopped before the answer began; the message is undone")
            }
            display.note("stopped")
        }
        state.messages.append(ChatMessage(.assistant, text))
        writeSession()
    }

    /// Writes what the model has read so far to the session file.
    private func writeSession() {
        do { lastSession = try session?.write(generator) } catch {
            // Report the first failure only: the next answers would fail too.
            session = nil
            display.error(error)
        }
    }
}
