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
