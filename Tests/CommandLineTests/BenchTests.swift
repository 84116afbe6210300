import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Benchmarks on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct BenchTests {
    @Test("bench needs no tokenizer")
    func withoutTokenizer() throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors"] {
            try folder.write(name, contents(of: GeneratedFixtures.path("mini-llama-gqa").appending(name)))
        }
        let file = folder.path.appending("bare.pvq").string
        let made = try CommandLineRunner.run(["quantize", folder.path.string, "--type", "q4", "--output", file])
        #expect(made.status == 0, "\(made.errors)")
        let measured = try CommandLineRunner.run(
            [
                "bench", file, "--prompt-tokens", "8", "--generate-tokens", "2", "--threads", "1", "--runs", "1",
                "--first-pass", "--json",
            ], environment: ["PVIT_KERNELS": "scalar"])
        #expect(measured.status == 0, "\(measured.errors)")
        let figures = try #require(
            try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [[String: Any]])
        #expect(
            Set(figures.compactMap { $0["test"] as? String }).isSuperset(of: ["prefill", "first prefill", "decode"]))
        #expect(figures.allSatisfy { $0["instruction_set"] as? String == "scalar" })
    }

    @Test("bench --draft answers with and without the draft model")
    func draft() throws {
        struct Figure: Decodable {
            let test: String
            let tokens: Int
            let threads: Int
            let tokens_per_s: Double
            let ratio: Double?
            let drafted_tokens: Int
            let accepted_tokens: Int
            let acceptance: Double?
        }
        let arguments = ["bench", try Models.path("base-f16.pvq"), "--draft", try Models.path("gqa-q4.pvq")]
        for options in [[], ["--prompt", "Once upon a time", "--memory", "1GiB"]] {
            let figures = try CommandLineRunner.decode(
                [Figure].self,
                from: arguments + ["--runs", "2", "--generate-tokens", "8", "--threads", "1", "--json"] + options)
            #expect(figures.map(\.test) == ["decode", "decode with draft"])
            #expect(figures.allSatisfy { (1...16).contains($0.tokens) && $0.threads == 1 && $0.tokens_per_s > 0 })
            let (plain, drafted) = (try #require(figures.first), try #require(figures.last))
            #expect(plain.tokens == drafted.tokens && plain.ratio == nil && plain.drafted_tokens == 0)
            #expect(drafted.ratio ?? 0 > 0 && drafted.accepted_tokens <= drafted.drafted_tokens)
            let acceptance = Double(drafted.accepted_tokens) / Double(max(drafted.drafted_tokens, 1))
            #expect(abs((drafted.acceptance ?? -1) - acceptance) < 1e-9)
        }
        let table = try CommandLineRunner.run(arguments + ["--runs", "1", "--generate-tokens", "4"])
        #expect(table.status == 0 && table.output.contains("decode with draft"), "\(table.errors)")
        let absent = try CommandLineRunner.run(
            ["bench", Models.path("base-f16.pvq"), "--draft", "/nonexistent.pvq", "--runs", "1"])
        #expect(absent.isOneLineError(66), "\(absent.errors)")
    }

    @Test("bench --image tells the parts of the time to the first token, whose sum it is")
    func image() throws {
        struct Figure: Decodable {
            let part: String
            let threads: Int
            let seconds: Double
        }
        let (model, image) = (try Models.path("pvit-f32.pvq"), SharedFixtures.path("photos/0024.jpg"))
        let figures = try CommandLineRunner.decode(
            [Figure].self, from: ["bench", model, "--image", image, "--runs", "1", "--threads", "2", "--json"])
        #expect(
            figures.map(\.part) == [
                "decode image", "CLIP", "region encoder", "projectors", "prefill", "time to first token",
            ])
        #expect(figures.allSatisfy { $0.seconds > 0 && $0.threads == 2 })
        let sum = figures.dropLast().reduce(0) { $0 + $1.seconds }
        #expect(abs(sum - (figures.last?.seconds ?? 0)) < 1e-9)
        let text = try CommandLineRunner.run(["bench", Models.path("base-f16.pvq"), "--image", image, "--runs", "1"])
        #expect(text.isOneLineError(64) && text.errors.contains("cannot read images"), "\(text.errors)")
    }
}
