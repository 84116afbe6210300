import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Conversations on a pseudo-terminal. The history file tells which messages the program received.
@Suite("Conversations on a terminal", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ConversationTests {
    private let folder: TemporaryFolder
    private var history: String { folder.path.appending("history").string }

    init() throws { folder = try TemporaryFolder() }

    private func start(
        _ options: [String] = [], model: String = "pvit-blind.pvq", environment: [String: String] = [:],
        redirectsOutput: Bool = false
    ) throws -> PseudoTerminal {
        let terminal = try PseudoTerminal(
            ["run", Models.path(model), "--max-tokens", "2", "--history", history] + options,
            environment: environment, redirectsOutput: redirectsOutput)
        try terminal.expect("/help lists")
        return terminal
    }

    /// The messages that the program received.
    private func messages() throws -> [String] {
        let lines = try String(contentsOfFile: history, encoding: .utf8).split(separator: "\n").dropFirst()
        return lines.map {
            $0.replacingOccurrences(of: "\\n", with: "\n").replacingOccurrences(of: "\\\\", with: "\\")
        }
    }

    private func leave(_ terminal: PseudoTerminal) throws {
        try terminal.type("/exit\r")
        try expectEnd(of: terminal)
    }

    private func expectEnd(of terminal: PseudoTerminal, status: Int32 = 0) throws {
        #expect(try terminal.status() == status)
        #expect(terminal.isAsBefore)
    }

    @Test("keys edit a line, in any script and in the C locale, and the arrow keys recall earlier lines")
    func editing() throws {
        let terminal = try start()
        // Each line is an unknown command, so that there is no answer to wait for.
        for keys in [
            "/ ac\u{1B}[Db", "b \u{1}/ \u{5}c", "/ one two\u{17}three", "/ wörld\u{7F}\u{7F}k",
            "/ 日本語\u{7F}\u{1B}[D\u{7F}x",
            // A letter and its accent are two code points, but one character to the user.
            "/ e\u{301}e\u{301}\u{7F}z", "abc\u{15}/ new", "x\u{1B}[H/ -\u{1B}[F+",
            "/ cd\u{1B}[D\u{1B}[D\u{1B}[3~",
        ] {
            try terminal.send("\(keys)", expecting: "there is no command")
        }
        try terminal.send("\u{1B}[A\u{1B}[A\u{1B}[B!", expecting: "there is no command")
        try leave(terminal)
        #expect(
            try messages() == [
                "/ abc", "/ b c", "/ one three", "/ wörk", "/ x本", "/ e\u{301}z", "/ new", "/ -x+", "/ d", "/ d!",
                "/exit",
            ])
    }

    @Test("a pasted text of any length and number of lines is one message, and only Enter sends it")
    func pasting() throws {
        let terminal = try start(["--context", "64"], environment: ["NO_COLOR": "1"])
        let lines = "first line\n\nthird \\ line\twith a tab: żółw 亀"
        let long = (0..<9000).map { "word\($0)" }.joined(separator: " ")
        let longLines = (0..<8000).map { "line \($0) of a long text" }.joined(separator: "\n")
        #expect(long.utf8.count > 65536 && longLines.utf8.count > 100_000)
        try terminal.type("Explain: ")
        try terminal.paste(lines)
        try terminal.expect("[paste 1: 3 lines, \(lines.count) characters]")
        try terminal.type(" Thanks.\r")
        for text in [long, longLines, "a single line"] {
            try terminal.expect("> ")
            try terminal.paste(text)
            try terminal.type("\r")
        }
        try terminal.expect("a single line")
        try terminal.expect("> ")
        // The history recalls the line with its pasted text.
        try terminal.send("\u{1B}[A\u{1B}[A again", expecting: "> ")
        try leave(terminal)
        #expect(
            try messages() == [
                "Explain: \(lines) Thanks.", long, longLines, "a single line", longLines + " again", "/exit",
            ])
    }

    @Test("a long line that arrives at once is not cut")
    func longLine() throws {
        let terminal = try start(["--context", "64"])
        let line = String(repeating: "0123456789 ", count: 500)
        try terminal.type(line + "\r")
        try terminal.expect("was not sent")
        try leave(terminal)
        #expect(try messages() == [line, "/exit"])
    }

    @Test("a message of several lines is typed with \\ at line ends, or between quotation marks")
    func severalLines() throws {
        let terminal = try start()
        try terminal.send("one\\\rtwo\\\rthree", expecting: "was cut after 2 tokens")
        try terminal.send("\"\"\"\r/not a command\r\rsecond\r\"\"\"", expecting: "was cut after 2 tokens")
        try leave(terminal)
        #expect(try messages() == ["one\ntwo\nthree", "/not a command\n\nsecond", "/exit"])
    }

    @Test("the history of earlier conversations is kept, and a file of another kind is not changed")
    func keptHistory() throws {
        for _ in 0..<2 {
            let terminal = try start()
            try terminal.send("/a\\\\b", expecting: "no command")
            try terminal.send("\u{1B}[A!", expecting: "no command /a\\\\b!")
            try leave(terminal)
        }
        let foreign = folder.path.appending("notes").string
        try "my notes\n".write(toFile: foreign, atomically: false, encoding: .utf8)
        let refused = try PseudoTerminal(["run", Models.path("pvit-blind.pvq"), "--history", foreign])
        #expect(try refused.status() == 64)
        #expect(refused.hasShown("not a history of messages") && refused.isAsBefore)
        #expect(try String(contentsOfFile: foreign, encoding: .utf8) == "my notes\n")
    }

    @Test("a full context is reported, rejects messages that do not fit, and continues when there is room again")
    func context() throws {
        let terminal = try start(["--context", "72", "--max-tokens", "200"])
        try terminal.send("Tell me a long story.", expecting: "the context of 72 tokens is full")
        try terminal.send("And then?", expecting: "do not fit the context of 72, so the message was not sent")
        try terminal.send("/undo", expecting: "undone: Tell me a long story.")
        try terminal.send("/undo", expecting: "no message to undo")
        try terminal.send("Hello", expecting: "is full")
        try terminal.send("/slide", expecting: "oldest tokens are dropped")
        try terminal.send("And then?", expecting: "tokens were dropped")
        try leave(terminal)
    }

    @Test("Ctrl-C stops an answer and keeps what was generated")
    func stoppedAnswer() throws {
        let saved = folder.path.appending("saved.json").string
        let terminal = try start(["--max-tokens", "100000", "--context", "100000"])
        try terminal.send("Tell me everything.", expecting: "Tell me everything.\r\n")
        try terminal.expect(" ")
        try terminal.type("\u{3}")
        try terminal.expect("(stopped)")
        try terminal.send("/save \(saved)", expecting: "2 messages")
        try leave(terminal)
        let text = try String(contentsOfFile: saved, encoding: .utf8)
        #expect(text.contains("Tell me everything.") && text.contains("assistant"))
    }

    @Test("a signal that ends the program restores the terminal, even after a stop")
    func ended() throws {
        let terminal = try start()
        terminal.signal(SIGSTOP)
        #expect(terminal.waitUntilStopped())
        try terminal.type("abc\u{3}")
        terminal.signal(SIGCONT)
        try terminal.expect("^C")
        terminal.signal(SIGTERM)
        try expectEnd(of: terminal, status: 128 + SIGTERM)
    }

    @Test("Ctrl-C clears a line, and leaves if it is pressed twice at an empty one")
    func interrupting() throws {
        let terminal = try start()
        try terminal.type("half a message\u{3}")
        try terminal.expect("^C\r\n")
        try terminal.send("/stats", expecting: "there is no answer yet")
        try terminal.type("\u{3}")
        try terminal.expect("press Ctrl-C again to leave")
        try terminal.type("\u{3}")
        try expectEnd(of: terminal, status: 130)
        #expect(try messages() == ["/stats"])
    }

    @Test("Ctrl-Z restores the terminal while the program is stopped, and keeps the line")
    func stopping() throws {
        let terminal = try start()
        try terminal.type("/unfini")
        try terminal.expect("/unfini")
        // The key does not stop an orphaned process group, so send the signal.
        terminal.signal(SIGTSTP)
        try terminal.send("shed", expecting: "no command /unfinished")
        terminal.resize(columns: 60)
        try terminal.send("/narrow", expecting: "no command /narrow")
        try terminal.type("\u{4}")
        try expectEnd(of: terminal)
    }

    @Test("a redirected standard output receives only answers, and colours are used only where wanted")
    func redirected() throws {
        let plain = try start()
        try plain.send("Hello", expecting: "was cut after 2 tokens")
        #expect(plain.hasShown("\u{1B}[2m"))
        try leave(plain)
        let terminal = try start(environment: ["NO_COLOR": "1"], redirectsOutput: true)
        try terminal.send("Hello", expecting: "was cut after 2 tokens")
        try leave(terminal)
        #expect(!terminal.hasShown("\u{1B}[2m") && !terminal.hasShown("\u{1B}[1m"))
        let answer = try terminal.output
        #expect(answer.hasSuffix("\n") && answer.filter { $0 == "\n" }.count == 1 && !answer.contains("\u{1B}"))
        #expect(plain.hasShown(answer.dropLast().description))
        let dumb = try start(environment: ["TERM": "dumb"])
        try dumb.send("/ab\u{7F}c", expecting: "no command /ac")
        try leave(dumb)
        #expect(!dumb.hasShown("\u{1B}"))
    }

    @Test("commands change the conversation, and a mistake is one line")
    func commands() throws {
        let saved = folder.path.appending("saved.json").string
        let other = folder.path.appending("other.txt").string
        try "text".write(toFile: other, atomically: false, encoding: .utf8)
        let image = SharedFixtures.path("photos/0024.jpg")
        let terminal = try start(model: "pvit-f32.pvq")
        for (line, answer) in [
            ("/hel", "did you mean /help?"), ("/HELP", "/region NAME=x1,y1,x2,y2"),
            ("/region a=1,2,3,4", "regions need an image"),
            ("/image absent.jpg", "absent.jpg"), ("/image \(other)", "JPEG"), ("/image", "there is no image"),
            ("/image \(image)", "281 × 179"), ("/region a=1,2,3,4000", "beyond"), ("/region a b", "no name"),
            ("/region a=1,2,100,90", "regions: a=1,2,100,90"), ("/region b=", "there is no region b"),
            ("/region a=", "there are no regions"), ("/image clear", "there is no image"),
            ("/system", "no instructions"),
            ("/system Be brief.", "changed the instructions"), ("/system", "Be brief."),
            ("//hi", "was cut after 2 tokens"),
            ("/stats", "ended by length"), ("/save \(other)", "not a conversation"), ("/load \(other)", "/save wrote"),
            ("/save", "takes a file name"), ("/save \(saved)", "2 messages"), ("/reset", "new conversation"),
            ("/undo", "no message"), ("/system clear", "removed the instructions"), ("/load \(saved)", "2 messages"),
            ("/system", "Be brief."), ("<image> here", "no image"), ("/undo", "undone: /hi"),
        ] {
            try terminal.send("\(line)", expecting: answer)
        }
        // Tab completes commands, and file names after commands that take one.
        try terminal.send("/lo\t\(folder.path.string)/sav\t", expecting: "2 messages")
        try leave(terminal)
        #expect(try String(contentsOfFile: other, encoding: .utf8) == "text")
    }

    @Test("without a chat template, run fails before the conversation begins")
    func noTemplate() throws {
        let terminal = try PseudoTerminal(["run", Models.path("gqa-q8.pvq")])
        #expect(try terminal.status() == 65)
        #expect(terminal.hasShown("--raw") && terminal.isAsBefore)
        let raw = try start(["--raw"], model: "gqa-q8.pvq")
        try raw.send("Once", expecting: "was cut after 2 tokens")
        try leave(raw)
    }
}
