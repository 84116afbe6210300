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
        let measured = try CommandLineRunner.run([
            "bench", file, "--prompt-tokens", "8", "--generate-tokens", "2", "--threads", "1", "--runs", "1",
            "--first-pass", "--json",
        ])
        #expect(measured.status == 0, "\(measured.errors)")
        let figures = try #require(
            try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [[String: Any]])
        #expect(
            Set(figures.compactMap { $0["test"] as? String }).isSuperset(of: ["prefill", "first prefill", "decode"]))
    }
}
