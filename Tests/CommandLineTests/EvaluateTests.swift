import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Evaluation on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct EvaluateTests {
    private static let comparison = """
        import json, sys, numpy as np
        ours, folder = np.load(sys.argv[1]), sys.argv[2]
        last = np.load(folder + "/prefill_logits_last.npy")
        best = np.load(folder + "/prefill_argmax_all_positions.npy")
        assert ours.dtype == np.float32, ours.dtype
        print(json.dumps({"shape": ours.shape, "difference": float(np.abs(ours[-1] - last.reshape(-1)).max()),
                          "agreement": int((ours.argmax(1) == best.reshape(-1)).sum()), "positions": len(ours)}))
        """

    @Test(
        "logits agree with the reference within 2e-4",
        .enabled(if: Python.isPresent), arguments: [("gqa-text", "gqa-f32.pvq"), ("base-text", "base-f16.pvq")])
    func logits(golden: String, model: String) throws {
        struct Comparison: Decodable {
            let shape: [Int]
            let difference: Double
            let agreement: Int
            let positions: Int
        }
        let folder = try TemporaryFolder()
        let output = folder.path.appending("logits.npy").string
        let text = try GoldenText(golden)
        let outcome = try CommandLineRunner.run([
            "evaluate", "logits", Models.path(model), "--tokens",
            text.tokens.map { "\($0.rawValue)" }.joined(separator: ","),
            "--output", output,
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let printed = try Python.run(Self.comparison, output, text.folder.string)
        let comparison = try JSONDecoder().decode(Comparison.self, from: Data(printed.utf8))
        #expect(comparison.shape == [text.tokens.count, 32000])
        #expect(comparison.difference < 2e-4)
        #expect(comparison.agreement == comparison.positions)
    }

    @Test("a model does not diverge from itself, and q4 diverges more than q8")
    func divergence() throws {
        struct Divergence: Decodable {
            let perplexity: Double
            let reference_perplexity: Double
            let mean_kl: Double
            let top1_agreement: Double
            let tokens: Int
            let bits_per_weight: Double
        }
        func divergence(_ model: String) throws -> Divergence {
            let text = CommandLineRunner.packageRoot.appending("LICENSE").string
            return try CommandLineRunner.decode(from: [
                "evaluate", "divergence", Models.path(model), "--reference", Models.path("gqa-f32.pvq"), "--text", text,
                "--context", "32", "--windows", "2", "--json",
            ])
        }
        let same = try divergence("gqa-f32.pvq")
        #expect(same.mean_kl < 1e-9 && same.top1_agreement == 1 && same.tokens == 30)
        #expect(same.perplexity == same.reference_perplexity)
        let (q8, q4) = (try divergence("gqa-q8.pvq"), try divergence("gqa-q4.pvq"))
        #expect(0 < q8.mean_kl && q8.mean_kl < q4.mean_kl)
        #expect(q8.bits_per_weight <= 8.5 && q4.bits_per_weight <= 4.5)
    }

    @Test("several texts have a result each, and one for all their windows")
    func severalTexts() throws {
        struct Result: Decodable {
            struct Text: Decodable {
                let text: String
                let mean_kl: Double
                let tokens: Int
            }
            let mean_kl: Double
            let mean_kl_standard_error: Double
            let perplexity_ratio_standard_error: Double
            let windows: Int
            let texts: [Text]
        }
        let texts = ["LICENSE", "README.md"].map { CommandLineRunner.packageRoot.appending($0).string }
        let arguments = [
            "evaluate", "divergence", try Models.path("gqa-q4.pvq"), "--reference", try Models.path("gqa-f32.pvq"),
            "--text", texts[0], "--text", texts[1], "--context", "32", "--windows", "2",
        ]
        let result: Result = try CommandLineRunner.decode(from: arguments + ["--json"])
        #expect(result.texts.map(\.text) == texts && result.texts.map(\.tokens) == [30, 30] && result.windows == 4)
        #expect(abs(result.mean_kl - (result.texts[0].mean_kl + result.texts[1].mean_kl) / 2) < 1e-12)
        #expect(result.texts[0].mean_kl != result.texts[1].mean_kl)
        #expect(result.mean_kl_standard_error > 0 && result.perplexity_ratio_standard_error > 0)
        let printed = try CommandLineRunner.run(arguments).output
        #expect(printed.contains("\n\(texts[1])\nmean KL divergence") && printed.contains("\nall texts\n"))
        #expect(printed.contains("tokens                60 in 4 windows"))
    }

    @Test("a text that is shorter than a window is named")
    func shortText() throws {
        let folder = try TemporaryFolder()
        let short = folder.path.appending("short.txt").string
        try Data("Hello".utf8).write(to: URL(fileURLWithPath: short))
        let model = try Models.path("gqa-q8.pvq")
        let outcome = try CommandLineRunner.run([
            "evaluate", "divergence", model, "--reference", model, "--text",
            CommandLineRunner.packageRoot.appending("LICENSE").string, "--text", short, "--context", "32",
        ])
        #expect(outcome.isOneLineError(64) && outcome.errors.contains(short), "\(outcome.errors)")
    }

    @Test("perplexity scores the second half of each window")
    func perplexity() throws {
        struct Perplexity: Decodable {
            let perplexity: Double
            let tokens: Int
            let windows: Int
        }
        let result = try CommandLineRunner.decode(
            Perplexity.self,
            from: [
                "evaluate", "perplexity", Models.path("gqa-q8.pvq"), "--text",
                CommandLineRunner.packageRoot.appending("LICENSE").string, "--context", "64", "--windows", "3",
                "--json",
            ])
        #expect(result.windows == 3 && result.tokens == 3 * 31)
        #expect(result.perplexity > 1)
    }

    @Test("one scored token has no standard error, which a note explains")
    func oneToken() throws {
        let arguments = [
            "evaluate", "perplexity", try Models.path("gqa-q8.pvq"), "--text",
            CommandLineRunner.packageRoot.appending("LICENSE").string, "--context", "4", "--windows", "1",
        ]
        let outcome = try CommandLineRunner.run(arguments)
        #expect(outcome.output.hasSuffix(" over 1 token\n") && !outcome.output.contains("±"))
        #expect(outcome.errors.contains("one scored token"))
        #expect(try CommandLineRunner.run(arguments + ["--json"]).output.contains("\"standard_error\": null"))
    }
}
