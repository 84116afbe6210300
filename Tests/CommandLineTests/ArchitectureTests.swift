import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite(
    "Models that cannot run, and contexts beyond the trained length", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ArchitectureTests {
    /// A small model with changes to its configuration.
    private func model(_ changes: [String: Any], in folder: TemporaryFolder) throws -> String {
        let source = GeneratedFixtures.path("mini-llama-gqa")
        let path = folder.path.appending("model")
        let manager = FileManager.default
        try manager.createDirectory(atPath: path.string, withIntermediateDirectories: true)
        for name in try manager.contentsOfDirectory(atPath: source.string) where name != "config.json" {
            try manager.createSymbolicLink(
                atPath: path.appending(name).string, withDestinationPath: source.appending(name).string)
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: source.appending("config.json").string))
        var config = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        config.merge(changes) { $1 }
        try JSONSerialization.data(withJSONObject: config)
            .write(to: URL(fileURLWithPath: path.appending("config.json").string))
        return path.string
    }

    @Test("quantize refuses a model that cannot run before it writes, and inspect tells why")
    func refused() throws {
        let folder = try TemporaryFolder()
        let model = try model(["rope_scaling": ["type": "yarn", "factor": 4.0]], in: folder)
        let output = folder.path.appending("model.pvq").string
        let outcome = try CommandLineRunner.run(["quantize", model, "--output", output])
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains(#"rope_scaling "yarn" is not supported (file \#(model)/config.json)"#))
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(!FileManager.default.fileExists(atPath: output))
        let text = try CommandLineRunner.run(["inspect", model])
        #expect(text.output.contains(#"cannot run: rope_scaling "yarn" is not supported"#))
        let json = try CommandLineRunner.run(["inspect", model, "--json"])
        #expect(json.output.contains(#""cannot_run": "rope_scaling \"yarn\" is not supported""#))
        let container = try CommandLineRunner.run(["inspect", Models.path("gqa-q4.pvq"), "--json"])
        #expect(container.output.contains(#""cannot_run": null"#))
    }

    @Test("a context beyond the sliding window or the trained length gives one note in run, bench and evaluate")
    func notes() throws {
        let folder = try TemporaryFolder()
        let source = try model(["sliding_window": 16, "max_position_embeddings": 64], in: folder)
        let file = folder.path.appending("model.pvq").string
        #expect(try CommandLineRunner.run(["quantize", source, "--output", file, "--quiet"]).status == 0)
        let text = try folder.write("text.txt", String(repeating: "The capital of France is Paris. ", count: 40)).string
        func notes(_ arguments: [String]) throws -> [Substring] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return outcome.errors.split(separator: "\n").filter {
                $0.hasPrefix("note: ") && !$0.contains("--max-tokens")
            }
        }
        let run = ["run", file, "--raw", "Hello", "--max-tokens", "1"]
        #expect(try notes(run).isEmpty)
        #expect(try notes(run + ["--context", "32"]).map { $0.contains("sliding window of 16") } == [true])
        #expect(try notes(run + ["--context", "65"]).map { $0.contains("trained for") } == [true])
        let perplexity = ["evaluate", "perplexity", file, "--text", text, "--windows", "1", "--context"]
        #expect(try notes(perplexity + ["16"]).isEmpty)
        #expect(try notes(perplexity + ["128"]).map { $0.contains("trained for") } == [true])
        let bench = ["bench", file, "--generate-tokens", "0", "--runs", "1", "--threads", "1,2", "--prompt-tokens"]
        #expect(try notes(bench + ["80"]).map { $0.contains("trained for") } == [true])
        let logits = ["evaluate", "logits", file, "--output", folder.path.appending("l.npy").string, "--tokens"]
        #expect(try notes(logits + [Array(repeating: "5", count: 20).joined(separator: ",")]).count == 1)
    }
}
