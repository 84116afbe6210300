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
