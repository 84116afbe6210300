import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Prompts from standard input", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct StandardInputTests {
    private func options(_ prompt: String...) throws -> [String] {
        ["run", try Models.path("gqa-q8.pvq"), "--raw", "--max-tokens", "3"] + prompt
    }

    @Test("piped text is appended to the prompt after an empty line, with a note")
    func joined() throws {
        let joined = try CommandLineRunner.run(options("Once upon"), input: "a time\n")
        #expect(joined.errors.contains("standard input (7 B) is appended to the prompt"))
        #expect(joined.output == (try CommandLineRunner.run(options("Once upon\n\na time")).output))
        let alone = try CommandLineRunner.run(options("Once upon", "--no-stdin"), input: "a time\n")
        #expect(alone.output == (try CommandLineRunner.run(options("Once upon")).output))
        #expect(!alone.errors.contains("standard input"))
    }

    @Test("the prompt - is read from standard input")
    func hyphen() throws {
        let given = try CommandLineRunner.run(options("Once upon a time"))
        #expect(try CommandLineRunner.run(options("-"), input: "Once upon a time\n").output == given.output)
    }

    @Test("an empty standard input instead of a prompt is an error", arguments: [[], ["-"]])
    func empty(prompt: [String]) throws {
        for input in ["", "\n"] {
            let outcome = try CommandLineRunner.run(options() + prompt, input: input)
            #expect(outcome.isOneLineError(64) && outcome.errors.contains("standard input is empty"))
        }
    }

    @Test("the input of a surrounding shell loop is not consumed")
    func loop() throws {
        let script = """
            while read -r word; do "$0" "$@" "$word" 2>>errors; done <list
            """
        let folder = try TemporaryFolder()
        try "Once\nTwice\nThrice\n".write(
            toFile: folder.path.appending("list").string, atomically: false, encoding: .utf8)
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", script, CommandLineRunner.program] + (try options())
        shell.currentDirectoryURL = URL(fileURLWithPath: folder.path.string)
        let pipe = Pipe()
        shell.standardOutput = pipe
        try shell.run()
        let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        shell.waitUntilExit()
        let expected = try ["Once", "Twice", "Thrice"].map { try CommandLineRunner.run(options($0)).output }
        #expect(output == expected.joined())
        let errors = try String(contentsOfFile: folder.path.appending("errors").string, encoding: .utf8)
        #expect(errors.contains("is ignored"))
    }

    @Test("a note tells why an answer was cut, but not with --json")
    func cut() throws {
        let outcome = try CommandLineRunner.run(options("Once"))
        #expect(outcome.errors == "note: the answer was cut after 3 tokens because of --max-tokens\n")
        #expect(try CommandLineRunner.run(options("Once", "--json")).errors.isEmpty)
        let full = try CommandLineRunner.run(options("Once", "--max-tokens", "90", "--context", "8"))
        #expect(full.errors.contains("the context is full"))
    }
}
