import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Running models on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct RunTests {
    private struct Answer: Decodable {
        let text: String
        let tokens: [Int]
        let prompt_tokens: Int
        let stop_reason: String
        let dropped_tokens: Int
        let drafted_tokens: Int
        let accepted_tokens: Int
        let timings: [String: Double]
    }

    private func answer(_ arguments: [String], environment: [String: String] = [:]) throws -> Answer {
        try CommandLineRunner.decode(from: ["run"] + arguments + ["--json"], environment: environment)
    }

    @Test("an f32 container continues a prompt as the reference does, with scalar and with fast kernels")
    func greedy() throws {
        let golden = try GoldenText("gqa-text")
        for kernels in ["scalar", ""] {
            let answer = try answer(
                [Models.path("gqa-f32.pvq"), golden.prompt, "--raw", "--max-tokens", "24", "--kv-cache", "f32"],
                environment: ["PVIT_KERNELS": kernels])
            #expect(answer.tokens == golden.continuation.map { Int($0.rawValue) })
            #expect(answer.prompt_tokens == golden.tokens.count)
            #expect(answer.stop_reason == "length")
            #expect(
                Set(answer.timings.keys).isSuperset(of: [
                    "load_s", "prefill_s", "prefill_tokens_per_s", "decode_s", "decode_tokens_per_s", "peak_rss_bytes",
                    "file_bytes_read",
                ]))
        }
    }

    @Test(
        "streamed text equals the text in the JSON, whatever the number of threads",
        arguments: ["gqa-q4.pvq", "gqa-q8.pvq"])
    func streamed(model: String) throws {
        let arguments = [try Models.path(model), "Once upon a time", "--raw", "--max-tokens", "16"]
        let streamed = try CommandLineRunner.run(["run"] + arguments + ["--threads", "1"])
        let answer = try answer(arguments + ["--threads", "3"])
        #expect(streamed.output == answer.text + "\n")
    }

    @Test("a seed makes sampling repeatable")
    func seed() throws {
        let arguments = [
            try Models.path("gqa-q8.pvq"), "Once", "--raw", "--max-tokens", "8", "--temperature", "1.5", "--seed",
        ]
        let first = try answer(arguments + ["7"])
        #expect(try answer(arguments + ["7"]).tokens == first.tokens)
        #expect(try answer(arguments + ["8"]).tokens != first.tokens)
    }

    @Test("a stop text ends the answer and is not included in it")
    func stop() throws {
        let golden = try GoldenText("gqa-text")
        let arguments = [try Models.path("gqa-f32.pvq"), golden.prompt, "--raw", "--max-tokens", "24"]
        let whole = try answer(arguments).text
        let index = whole.index(whole.startIndex, offsetBy: whole.count / 2)
        let stop = String(whole[index...].prefix(3))
        let cut = try answer(arguments + ["--stop", stop])
        #expect(cut.stop_reason == "stop")
        #expect(cut.text == String(whole.prefix(upTo: try #require(whole.firstRange(of: stop)).lowerBound)))
    }

    @Test("--speculate does not change the answer, greedy or sampled", arguments: ["base-f16.pvq", "gqa-q4.pvq"])
    func speculate(model: String) throws {
        let prompt = String(repeating: "Row, row, row your boat. ", count: 4)
        for sampling in [
            [], ["--temperature", "0.7", "--top-k", "2", "--seed", "3"], ["--repetition-penalty", "0.05"],
        ] {
            let arguments = [try Models.path(model), prompt, "--raw", "--max-tokens", "40"] + sampling
            let plain = try answer(arguments)
            #expect(plain.drafted_tokens == 0 && plain.accepted_tokens == 0)
            for speculate in [["--speculate"], ["--speculate", "3"]] {
                let guessed = try answer(arguments + speculate)
                #expect(guessed.tokens == plain.tokens && guessed.text == plain.text)
                #expect(guessed.stop_reason == plain.stop_reason)
                #expect(guessed.accepted_tokens <= guessed.drafted_tokens)
                if sampling.first == "--repetition-penalty" { #expect(guessed.accepted_tokens > 0) }
            }
        }
        for wrong in ["0", "65", "many"] {
            let arguments = ["run", try Models.path(model), prompt, "--raw", "--speculate", wrong]
            #expect(try CommandLineRunner.run(arguments).status == 64)
        }
    }

    @Test("--draft does not change a greedy answer, and a memory plan counts it")
    func draft() throws {
        let (model, small) = (try Models.path("base-f16.pvq"), try Models.path("gqa-q4.pvq"))
        let arguments = [model, "Once upon a time", "--raw", "--max-tokens", "24"]
        let plain = try answer(arguments)
        for options in [[], ["--speculate"], ["--memory", "1GiB", "--context", "512"]] {
            let drafted = try answer(arguments + ["--draft", small] + options)
            #expect(drafted.tokens == plain.tokens && drafted.text == plain.text)
            #expect(drafted.drafted_tokens > 0 && drafted.timings["draft_s"] ?? 0 > 0)
        }
        let told = try CommandLineRunner.run(["run"] + arguments + ["--draft", small, "--memory", "1GiB", "--verbose"])
        #expect(told.errors.contains("draft model"), "\(told.errors)")
        let absent = try CommandLineRunner.run(["run"] + arguments + ["--draft", "/nonexistent.pvq"])
        #expect(absent.isOneLineError(66), "\(absent.errors)")
    }

    @Test("a sliding context is reported in the JSON and in a note")
    func slide() throws {
        let arguments = [
            try Models.path("gqa-q8.pvq"), "Once upon a time", "--raw", "--max-tokens", "60", "--context", "32",
        ]
        let stopped = try answer(arguments)
        #expect(stopped.stop_reason == "context" && stopped.dropped_tokens == 0)
        let slid = try answer(arguments + ["--overflow", "slide"])
        #expect(slid.stop_reason == "length" && slid.tokens.count == 60)
        #expect(slid.tokens.starts(with: stopped.tokens))
        #expect(slid.dropped_tokens > 0)
        let noted = try CommandLineRunner.run(["run"] + arguments + ["--overflow", "slide"])
        #expect(noted.errors.contains("oldest \(slid.dropped_tokens) tokens were dropped"))
        #expect(try CommandLineRunner.run(["run"] + arguments + ["--overflow", "wrap"]).status == 64)
    }

    @Test("without a prompt, it is read from standard input")
    func standardInput() throws {
        let model = try Models.path("gqa-q8.pvq")
        let given = try CommandLineRunner.run(["run", model, "Once upon a time", "--raw", "--max-tokens", "4"])
        let piped = try CommandLineRunner.run(
            ["run", model, "--raw", "--max-tokens", "4"], input: "Once upon a time\n")
        #expect(piped.output == given.output)
    }

    @Test("a missing chat template and a full context are one-line errors")
    func refused() throws {
        let model = try Models.path("gqa-q8.pvq")
        let template = try CommandLineRunner.run(["run", model, "Hello"])
        #expect(template.isOneLineError(65) && template.errors.contains("--raw"))
        let full = try CommandLineRunner.run(["run", model, "Once upon a time", "--raw", "--context", "3"])
        #expect(full.isOneLineError(64), "\(full.errors)")
    }

    @Test("tokenize gives the tokens of the reference")
    func tokenize() throws {
        struct Tokens: Decodable { let ids: [Int] }
        let golden = try GoldenText("gqa-text")
        let tokens = try CommandLineRunner.decode(
            Tokens.self, from: ["tokenize", Models.path("gqa-q8.pvq"), golden.prompt, "--json"])
        #expect(tokens.ids == golden.tokens.map { Int($0.rawValue) })
    }

    @Test("every token is shown unambiguously")
    func readableTokens() throws {
        let model = try Models.path("gqa-q8.pvq")
        let outcome = try CommandLineRunner.run(["tokenize", model, "<s>Hi  \n\u{200B}\"\u{1F680}"])
        #expect(
            outcome.output == """
                   id  kind     text
                    1  special  <s>
                 6324  text     " Hi"
                  259  text     "  "
                   13  byte     <0x0A>
                30166  text     "\\u{200b}"
                29908  text     "\\""
                  243  byte     <0xF0>
                  162  byte     <0x9F>
                  157  byte     <0x9A>
                  131  byte     <0x80>

                """)
        struct Tokens: Decodable {
            let ids: [Int]
            let pieces: [String]
            let texts: [String?]
            let special: [Bool]
        }
        let tokens = try CommandLineRunner.decode(Tokens.self, from: ["tokenize", model, "Hi é", "--json"])
        #expect(tokens.pieces.count == tokens.ids.count && tokens.pieces[1] == "▁Hi")
        #expect(tokens.texts == ["<s>", " Hi", " é"] && tokens.special == [true, false, false])
    }

    @Test("a token without an embedding is an error only in a text that contains it")
    func moreTokens() throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"] {
            try folder.write(name, contents(of: GeneratedFixtures.path("mini-llama-gqa").appending(name)))
        }
        try folder.write("added_tokens.json", #"{"<pad>": 32000}"#)
        let file = folder.path.appending("m.pvq").string
        let made = try CommandLineRunner.run(["quantize", folder.path.string, "--type", "q8", "--output", file])
        #expect(made.status == 0, "\(made.errors)")
        let golden = try GoldenText("gqa-text")
        let answer = try answer([file, golden.prompt, "--raw", "--max-tokens", "4"])
        #expect(answer.prompt_tokens == golden.tokens.count)
        let logits = folder.path.appending("l.npy").string
        for arguments in [
            ["run", file, "a <pad>", "--raw"], ["evaluate", "logits", file, "--prompt", "a <pad>", "--output", logits],
            ["evaluate", "logits", file, "--tokens", "1,32000", "--output", logits],
        ] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(outcome.isOneLineError(64) && outcome.errors.contains("\"<pad>\""), "\(outcome.errors)")
        }
        #expect(try !folder.entries.contains("l.npy"))
        let shown = try CommandLineRunner.run(["tokenize", file, "<pad>"])
        #expect(shown.output.contains("added, no embedding  \"<pad>\""))
    }

    private struct Figure: Decodable {
        let test: String
        let tokens: Int
        let threads: Int
        let tokens_per_s: Double
        let spread: Double
        let weight_gb_per_s: Double
        let limit: Double?
        let share_of_limit: Double?
        let context: Int?
    }

    private func figures(_ options: [String]) throws -> [Figure] {
        try CommandLineRunner.decode(from: ["bench"] + options + ["--json"])
    }

    @Test("bench prints a figure for each test, length and number of threads, with its share of the machine's limit")
    func bench() throws {
        let figures = try figures([
            Models.path("gqa-q4.pvq"), "--prompt-tokens", "8,16", "--generate-tokens", "2", "--threads", "1,2",
            "--runs", "2",
        ])
        #expect(
            figures.map(\.test) == ["prefill", "prefill", "decode", "read", "dot", "loop"] + [
                "prefill", "prefill", "decode", "read", "dot", "loop",
            ])
        #expect(figures.map(\.tokens) == [8, 16, 2, 0, 0, 0, 8, 16, 2, 0, 0, 0])
        #expect(figures.map(\.threads) == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2])
        for figure in figures where figure.tokens > 0 {
            let (limit, share) = (try #require(figure.limit), try #require(figure.share_of_limit))
            #expect(figure.tokens_per_s > 0 && figure.weight_gb_per_s > 0 && limit > 0)
            #expect(abs(share - figure.tokens_per_s / limit) < 1e-9)
        }
    }

    @Test("bench decodes after a context, and float matrices have no limit in prefill")
    func benchContext() throws {
        let figures = try figures([
            Models.path("gqa-f32.pvq"), "--prompt-tokens", "8", "--generate-tokens", "2", "--context", "20",
            "--threads",
            "1", "--runs", "1",
        ])
        #expect(figures.map(\.context) == [nil, 20, nil, nil, nil])
        #expect(figures[0].limit == nil)
        #expect(figures[1].limit != nil)
    }

    @Test("bench needs either a model or --kernels", arguments: [[], ["--kernels", "model.pvq"]])
    func benchUsage(arguments: [String]) throws {
        #expect(try CommandLineRunner.run(["bench"] + arguments).status == 64)
    }
}
