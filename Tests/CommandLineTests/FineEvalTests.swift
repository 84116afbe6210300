import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("FineEval on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct FineEvalTests {
    private static let images = SharedFixtures.path("photos")
    private static let questions = [
        #"{"image": "0024.jpg", "instruction": "What is in <Region><L10><L26><L967><L982></Region>\uff1f", "other": 1}"#,
        #"{"image": "0024.jpg", "instruction": "Who?"}"#, #"{"image": "0024.jpg", "instruction": "Why?"}"#,
        #"{"image": "0024.jpg", "instruction": "Who?"}"#,
    ]

    private let folder: TemporaryFolder
    private let output: String

    init() throws {
        folder = try TemporaryFolder()
        output = folder.path.appending("answers.jsonl").string
    }

    private func run(_ questions: [String], together: Int = 3) throws -> CommandLineRunner.Outcome {
        let path = folder.path.appending("questions.jsonl").string
        try Data((questions.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
        return try CommandLineRunner.run([
            "evaluate", "fineeval", Models.path("pvit-f32.pvq"), "--questions", path, "--images", Self.images,
            "--output", output, "--max-tokens", "3", "--together", "\(together)",
        ])
    }

    @Test("questions may begin with a byte order mark")
    func byteOrderMark() throws {
        let outcome = try run(["\u{FEFF}" + Self.questions[1]])
        #expect(outcome.status == 0 && outcome.errors.contains("1 answer"), "\(outcome.errors)")
    }

    private var written: [String] {
        get throws {
            try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
        }
    }

    private func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: output)) }

    @Test("answers are in the order of the questions, and equal those of run")
    func answers() throws {
        struct Line: Decodable {
            let image: String
            let instruction: String
            let output: String
        }
        let outcome = try run(Self.questions)
        #expect(outcome.status == 0 && outcome.errors.contains("4 answers"), "\(outcome.errors)")
        let lines = try written.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(lines.map(\.image) == Array(repeating: "0024.jpg", count: 4))
        #expect(lines.map(\.instruction.last) == ["？", "?", "?", "?"])
        #expect(try !written.contains { $0.contains("other") })
        let single = try CommandLineRunner.run([
            "run", Models.path("pvit-f32.pvq"), lines[0].instruction, "--image", Self.images + "/0024.jpg",
            "--max-tokens", "3",
        ])
        #expect(single.output == lines[0].output + "\n")
    }

    @Test("the size of the batch does not change the answers", arguments: [1, 2, 8])
    func together(count: Int) throws {
        let questions =
            Self.questions + [
                #"{"image": "0007.jpg", "instruction": "Who is in <Region><L100><L100><L500><L500></Region>?"}"#,
                #"{"image": "0024.jpg", "instruction": "Why is it so?"}"#,
            ]
        #expect(try run(questions, together: 1).status == 0)
        let alone = try written
        try FileManager.default.removeItem(atPath: output)
        #expect(try run(questions, together: count).status == 0)
        #expect(try written == alone)
    }

    @Test("a run that was killed goes on behind its last whole line")
    func resuming() throws {
        #expect(try run(Self.questions).status == 0)
        let whole = try written
        let text = whole.joined(separator: "\n") + "\n"
        for kept in [0, 1, 3, 4] {
            for torn in ["", "{\"image\":\"0024.jpg\",\"instr"] {
                try write(whole[..<kept].map { $0 + "\n" }.joined() + torn)
                let outcome = try run(Self.questions)
                #expect(outcome.status == 0 && (kept == 0 || outcome.errors.contains("\(kept) of 4 questions")))
                #expect(try String(contentsOfFile: output, encoding: .utf8) == text)
            }
        }
        // A last answer that lacks only the line end counts.
        for cut in [1, 3] {
            try write(String(text.dropLast(cut)))
            let outcome = try run(Self.questions)
            #expect(outcome.status == 0 && outcome.errors.contains("\(cut == 1 ? 4 : 3) of 4 questions"))
            #expect(try String(contentsOfFile: output, encoding: .utf8) == text)
        }
        // Existing answers are not computed again.
        let edited = try JSONSerialization.data(withJSONObject: [
            "image": "0024.jpg", "instruction": "Why?", "output": "by hand",
        ])
        try write(String(decoding: edited, as: UTF8.self) + "\n")
        #expect(try run(Self.questions).status == 0)
        #expect(try written.map { $0.contains("by hand") } == [false, false, true, false])
    }

    @Test("bad questions are reported and skipped, and answered in order after they are fixed")
    func failures() throws {
        var questions = Self.questions
        questions[0] = #"{"image": "absent.jpg", "instruction": "Who?"}"#
        questions.insert(#"{"image": "../prompts.json", "instruction": "Who?"}"#, at: 1)
        questions.insert(#"{"image": "0024.jpg", "instruction": "<Region><L9><L1><L3><L4></Region>"}"#, at: 2)
        questions.insert("not json", at: 3)
        questions.insert(#"{"image": "0024.jpg"}"#, at: 4)
        let outcome = try run(questions)
        #expect(outcome.status == 65 && !outcome.wasSignalled)
        let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("pvit: question") }
        let words = ["absent.jpg", "outside the folder", "wrong order", "not JSON", "\"instruction\""]
        #expect(errors.count == words.count && zip(errors, words).allSatisfy { $0.contains($1) }, "\(errors)")
        #expect(outcome.errors.contains("5 of 8 questions were not answered"))
        let partial = try written
        #expect(partial.count == 3)
        #expect(try run(Self.questions).status == 0)
        #expect(try written.count == 4 && Array(written[1...]) == partial)
    }

    @Test("a file with other content is not changed")
    func otherFile() throws {
        let answer = #"{"image":"0024.jpg","instruction":"Who?","output":"a"}"# + "\n"
        let foreign = #"{"image": "x", "instruction": "y", "output": "z"}"#
        for text in [
            "my notes\n", foreign + "\n", "my notes", foreign, answer + "my notes", answer + "\n", answer + "{}",
            "\0\0",
            #"{"image":"0025.jpg","instruction":"W"#, #"{"image":"0024.jpg","instruction":"Who?","output":"a"} b"#,
            #"{"image":"0024.jpg","instruction":"Who?","output":"a","c"#,
        ] {
            try write(text)
            #expect(try run(Self.questions).isOneLineError(65))
            #expect(try String(contentsOfFile: output, encoding: .utf8) == text)
        }
        // An error in the questions creates no output either.
        try FileManager.default.removeItem(atPath: output)
        #expect(try run([" "]).isOneLineError(65))
        #expect(!FileManager.default.fileExists(atPath: output))
    }
}
