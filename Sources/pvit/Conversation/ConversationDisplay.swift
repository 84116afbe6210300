import ArgumentParser
import Storage

/// The output of a conversation. Answers go to standard output; everything else goes to the terminal, on separate
/// lines.
final class ConversationDisplay {
    let screen: TerminalScreen
    /// Whether the last line on the terminal is not ended yet.
    private var isLineOpen = false
    private var hasAnswer = false
    private let answersAreShown = StandardOutput.isTerminal

    init(screen: TerminalScreen) { self.screen = screen }

    /// Shows a chunk of an answer.
    ///
    /// - Throws: `output.failed`.
    func answer(_ chunk: String) throws {
        guard !chunk.isEmpty else { return }
        do { try StandardOutput.write(chunk) } catch let error as PVITError {
            throw PVITError(.outputFailed, error.what)
        }
        hasAnswer = true
        if answersAreShown { isLineOpen = chunk.last?.isNewline != true }
    }

    /// Ends the line of an answer.
    func endAnswer() {
        if hasAnswer { try? StandardOutput.write("\n") }
        (hasAnswer, isLineOpen) = (false, false)
    }

    /// Shows a note.
    func note(_ text: String) { line("(\(text.escapingControlCharacters))", .note) }

    /// Shows an error.
    func error(_ error: any Error) {
        let text = (error as? ValidationError)?.message ?? "\(error)"
        line("error: \(text.escapingControlCharacters)", .error)
    }

    /// Shows text of several lines.
    func show(_ text: String) { line(text.hasSuffix("\n") ? String(text.dropLast()) : text, .plain) }

    private func line(_ text: String, _ style: TerminalScreen.Style) {
        if isLineOpen { screen.write("\n") }
        isLineOpen = false
        screen.write(text, style)
        screen.write("\n")
    }
}

extension PVITError.Code {
    /// Answers cannot be written.
    static let outputFailed = Self("output.failed", .inputOutput)
}
