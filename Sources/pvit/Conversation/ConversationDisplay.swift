import ArgumentParser
import Storage

/// What a conversation shows: answers go to standard output, everything else to the terminal, on lines of its own.
final class ConversationDisplay {
    let screen: TerminalScreen
    /// Whether the terminal's last line has no end yet.
    private var isLineOpen = false
    private var hasAnswer = false
    private let answersAreShown = StandardOutput.isTerminal

    init(screen: TerminalScreen) { self.screen = screen }

    /// Shows a part of an answer.
    ///
    /// - Throws: `output.failed`.
    func answer(_ part: String) throws {
        guard !part.isEmpty else { return }
        do { try StandardOutput.write(part) } catch let error as PVITError {
            throw PVITError(.outputFailed, error.what)
        }
        hasAnswer = true
        if answersAreShown { isLineOpen = part.last?.isNewline != true }
    }

    /// Ends the line of an answer.
    func endAnswer() {
        if hasAnswer { try? StandardOutput.write("\n") }
        (hasAnswer, isLineOpen) = (false, false)
    }

    /// Shows a remark.
    func note(_ text: String) { line("(\(text.escapingControlCharacters))", .note) }

    /// Shows what went wrong.
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
