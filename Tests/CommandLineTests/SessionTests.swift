import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Sessions on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct SessionTests {
    private struct Answer: Decodable {
        let tokens: [Int]
        let prompt_tokens: Int
        let reused_prompt_tokens: Int
        let session_tokens: Int?
        let session_bytes: Int?
        let timings: [String: Double]
    }

    private let folder: TemporaryFolder
    private var file: String { folder.path.appending("a.session").string }

    init() throws { folder = try TemporaryFolder() }

    private func bytes(of name: String) throws -> [UInt8] { try contents(of: folder.path.appending(name)) }

    private func answer(_ arguments: [String]) throws -> Answer {
        try CommandLineRunner.decode(from: ["run"] + arguments + ["--max-tokens", "4", "--json"])
    }

    @Test("the next process computes only what is new, and gives the answer that it gives without a session")
    func text() throws {
        let model = try Models.path("gqa-q4.pvq")
        let text = String(repeating: "Once upon a time there was a river. ", count: 6)
        let arguments = [model, "--raw", "--session", file]
        let first = try answer(arguments + [text + "Who"])
        #expect(first.reused_prompt_tokens == 0 && first.session_tokens == first.prompt_tokens + 3)
        #expect(try first.session_bytes == self.bytes(of: "a.session").count)
        for memory in [[], ["--memory", "1GiB"]] {
            let second = try answer(arguments + memory + [text + "Where"])
            #expect(second.reused_prompt_tokens == second.prompt_tokens - 1)
            #expect(try second.tokens == answer([model, "--raw", text + "Where"]).tokens)
        }
        #expect(try folder.entries == ["a.session"])
        let shown = try CommandLineRunner.run(["run", "--max-tokens", "1"] + arguments + [text + "Where"])
        #expect(shown.errors.contains("prompt tokens were known from the session"), "\(shown.errors)")
        let plain = try answer([model, "--raw", text])
        #expect(plain.session_tokens == nil && plain.session_bytes == nil)
    }

    @Test("a second question about an image runs no tower")
    func image() throws {
        let arguments = [
            try Models.path("pvit-f32.pvq"), "--image", SharedFixtures.path("photos/0024.jpg"), "--session", file,
        ]
        let first = try answer(arguments + ["What is in {a}?", "--region", "a=0.1,0.1,0.6,0.9"])
        #expect(first.timings["clip_s"] ?? 0 > 0 && first.timings["region_s"] ?? 0 > 0)
        let second = try answer(arguments + ["Describe it."])
        #expect(second.timings["vision_s"] == 0 && second.reused_prompt_tokens > 256)
        #expect(try second.tokens == answer(Array(arguments.dropLast(2)) + ["Describe it."]).tokens)
    }

    @Test("a conversation goes on where the last one stopped")
    func conversation() throws {
        let model = try Models.path("pvit-blind.pvq")
        for round in 0..<2 {
            let terminal = try PseudoTerminal(
                ["run", model, "--max-tokens", "2", "--session", file], environment: ["NO_COLOR": "1"])
            try terminal.expect("/help lists")
            try terminal.send("What floats?", expecting: "> ")
            try terminal.send("/stats", expecting: "session")
            #expect(terminal.shown.contains(" 0 of them cached") == (round == 0), "\(terminal.shown)")
            try terminal.type("/exit\r")
            #expect(try terminal.status() == 0)
        }
    }

    @Test("a wrong session is one line of error that says what to do, and stays as it is")
    func refused() throws {
        let (model, other) = (try Models.path("gqa-q8.pvq"), try Models.path("gqa-q4.pvq"))
        _ = try answer([model, "--raw", "Once", "--session", file])
        let bytes = try self.bytes(of: "a.session")
        var flipped = bytes
        flipped[bytes.count - 20] ^= 1
        try folder.write("flipped", flipped)
        try folder.write("short", Array(bytes.dropLast(100)))
        try folder.write("notes", "These are notes.")
        for (arguments, status, words) in [
            ([other, "--session", "a.session"], 65, "another model"),
            ([model, "--session", "a.session", "--kv-cache", "f32"], 64, "add --kv-cache f16"),
            ([model, "--session", "flipped"], 65, "damaged"), ([model, "--session", "short"], 65, "truncated"),
            ([model, "--session", "notes"], 65, "not a session"),
            ([model, "--session", "absent/a.session"], 73, "absent"), ([model, "--session", "."], 73, "folder"),
            ([model, "--session", "/dev/null"], 73, "regular file"), ([model, "--session", model], 64, "inputs"),
        ] as [([String], Int32, String)] {
            var arguments = arguments
            if !arguments[2].hasPrefix("/") { arguments[2] = folder.path.appending(arguments[2]).string }
            let before = try folder.entries
            let outcome = try CommandLineRunner.run(["run"] + arguments + ["--raw", "Once", "--max-tokens", "1"])
            #expect(outcome.isOneLineError(status) && outcome.errors.contains(words), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
            #expect(try folder.entries == before)
        }
        #expect(try self.bytes(of: "a.session") == bytes)
        let shown = try CommandLineRunner.run(["run", model, "Hi", "--show-prompt", "--session", file])
        #expect(shown.status == 64 && shown.errors.contains("--show-prompt"))
    }
}
