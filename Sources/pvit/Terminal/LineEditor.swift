import CEdit
import Glibc
import Storage

/// Reads lines from a terminal with libedit: with keys as in Emacs and readline, a history, multi-line pastes, and
/// completion of file names and commands.
final class LineEditor {
    /// The result of reading a line.
    enum Line: Equatable {
        /// A line without its line end. Pasted texts appear as `Pastes` shows them.
        case text(String)
        /// Ctrl-C. `wasEmpty` tells whether nothing was typed.
        case interrupted(wasEmpty: Bool)
        /// Ctrl-D, or the terminal is gone.
        case end
    }

    let screen: TerminalScreen
    /// The pasted texts.
    var pastes = Pastes()
    private let complete: (String) -> LineCompletion
    /// libedit's handle of the editor.
    let editorHandle: OpaquePointer
    private let history: OpaquePointer
    private let files: [UnsafeMutablePointer<FILE>]
    private let owner: UnsafeMutablePointer<cedit_owner>
    private var input: TerminalInput?
    private var prompt: UnsafeMutablePointer<CChar>?
    private var isInterrupted = false
    /// The number of characters read since the last control character.
    private var plainCount = 0

    /// The number of lines in the history.
    static let historyCount = 1000

    /// Takes over the terminal until `close`.
    ///
    /// - Parameters:
    ///   - screen: The terminal to write to.
    ///   - complete: The completion that Tab offers for the text before the cursor.
    /// - Throws: `terminal.none` if there is no terminal to edit on.
    init(screen: TerminalScreen, complete: @escaping (String) -> LineCompletion) throws {
        self.screen = screen
        self.complete = complete
        Self.useUTF8()
        guard let reader = fdopen(dup(STDIN_FILENO), "r"), let writer = fdopen(dup(screen.descriptor), "w"),
            let history = history_init(),
            let events = TerminalSession.begin(screen: screen.descriptor, usesPaste: screen.isCapable),
            let editor = el_init("pvit", reader, writer, writer)
        else {
            TerminalSession.end()
            throw PVITError(.noTerminal, "the terminal cannot be used", remedy: "give a PROMPT")
        }
        (editorHandle, self.history, files) = (editor, history, [reader, writer])
        owner = .allocate(capacity: 1)
        let this = Unmanaged.passUnretained(self).toOpaque()
        owner.initialize(
            to: cedit_owner(
                context: this,
                read: { LineEditor.of($0)?.read(into: $1) ?? 0 },
                prompt: { LineEditor.of($0)?.prompt }))
        input = TerminalInput(events: events) { [unowned self] in self.terminalChanged($0) }
        cedit_history_size(history, Int32(Self.historyCount))
        cedit_history_unique(history)
        cedit_set_keymap(editor, "emacs")
        cedit_set_owner(editor, owner)
        cedit_set_history(editor, history)
        cedit_keep_quiet(editor)
        bindKeys()
    }

    deinit { close() }

    /// Restores the terminal.
    func close() {
        guard input != nil else { return }
        input = nil
        el_end(editorHandle)
        history_end(history)
        for file in files { fclose(file) }
        owner.deallocate()
        free(prompt)
        TerminalSession.end()
    }

    /// Reads a line.
    ///
    /// - Parameter prompt: The text before the line. A space follows it.
    func readLine(_ prompt: String) -> Line {
        free(self.prompt)
        // libedit takes text between two \u{1} to have no width, and needs a character after it.
        let (start, end) = ("\u{1}\(TerminalScreen.Style.prompt.rawValue)\u{1}", "\u{1}\u{1B}[0m\u{1}")
        let shown = screen.hasColours ? start + prompt + end + " " : prompt + " "
        self.prompt = strdup(shown)
        isInterrupted = false
        var count: Int32 = 0
        let line = el_gets(editorHandle, &count)
        if isInterrupted {
            let wasEmpty = textBeforeCursor.isEmpty && textAfterCursor.isEmpty
            el_reset(editorHandle)
            screen.write("^C\n")
            return .interrupted(wasEmpty: wasEmpty)
        }
        guard let line, count > 0 else {
            screen.write("\n")
            return .end
        }
        var text = String(cString: line)
        while text.last?.isNewline == true { text.removeLast() }
        return .text(text)
    }

    /// Adds a text, which may have several lines, to the history.
    func remember(_ text: String) {
        guard !text.isEmpty else { return }
        cedit_history_add(history, pastes.shown(text))
    }

    /// The text from the beginning of the line to the cursor.
    var textBeforeCursor: String {
        guard let line = el_line(editorHandle), let start = line.pointee.buffer, let cursor = line.pointee.cursor else {
            return ""
        }
        return String(
            decoding: UnsafeRawBufferPointer(start: start, count: max(cursor - start, 0)), as: UTF8.self)
    }

    /// Inserts text before the cursor. Returns false if there is no room.
    func insert(_ text: String) -> Bool { text.isEmpty || el_insertstr(editorHandle, text) == 0 }

    /// Deletes characters before the cursor.
    func delete(_ count: Int) { el_deletestr(editorHandle, Int32(count)) }

    /// Moves the cursor.
    func move(_ count: Int) { el_cursor(editorHandle, Int32(count)) }

    /// The text from the cursor to the end of the line.
    var textAfterCursor: String {
        guard let line = el_line(editorHandle), let cursor = line.pointee.cursor, let end = line.pointee.lastchar else {
            return ""
        }
        return String(decoding: UnsafeRawBufferPointer(start: cursor, count: max(end - cursor, 0)), as: UTF8.self)
    }

    /// Reads the text that is being pasted. nil if that was interrupted.
    func readPaste() -> String? {
        do { return try input?.paste() } catch {
            isInterrupted = error == .interrupted
            return nil
        }
    }

    /// The completion of the text before the cursor.
    func completion() -> LineCompletion { complete(textBeforeCursor) }

    /// The editor that belongs to a handle of libedit.
    static func of(_ editor: OpaquePointer?) -> LineEditor? {
        editor.flatMap { of(cedit_get_owner($0)?.pointee.context) }
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> LineEditor? {
        context.map { Unmanaged<LineEditor>.fromOpaque($0).takeUnretainedValue() }
    }

    private func read(into scalar: UnsafeMutablePointer<UInt32>?) -> Int32 {
        // Do not take a burst while libedit reads the keys of a command, which begin with a control character.
        if plainCount > 8, let burst = input?.burst(), insert(burst) { cedit_refresh(editorHandle) }
        do {
            let next = try input?.next().value ?? 0
            plainCount = next < 0x20 || next == 0x7F ? 0 : plainCount + 1
            scalar?.pointee = next
            return 1
        } catch {
            isInterrupted = error == .interrupted
            return 0
        }
    }

    private func terminalChanged(_ event: TerminalSession.Event) {
        if event == .resize { el_resize(editorHandle) }
        cedit_refresh(editorHandle)
    }

    /// Makes libedit use UTF-8 whatever the locale, as the rest of the program does.
    private static func useUTF8() {
        setlocale(LC_CTYPE, "")
        guard String(cString: nl_langinfo(nl_item(CODESET))).uppercased() != "UTF-8" else { return }
        for name in ["C.UTF-8", "C.utf8", "en_US.UTF-8"] where setlocale(LC_CTYPE, name) != nil { return }
    }
}
