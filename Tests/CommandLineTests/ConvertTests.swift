import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Conversion on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ConvertTests {
    private let base = GeneratedFixtures.path("mini-llama-base-st").string
    private let delta = GeneratedFixtures.path("mini-pvit-delta-st").string

    @Test("the number of threads does not change the bytes of the output", arguments: ["q4", "q8", "f16"])
    func determinism(type: String) throws {
        let folder = try TemporaryFolder()
        let files = try ["1", "2", "5"].map { threads in
            let output = folder.path.appending("\(threads).pvq").string
            let outcome = try CommandLineRunner.run([
                "quantize", base, "--delta", delta, "--type", type, "--output", output, "--threads", threads, "--quiet",
            ])
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
            return try Data(contentsOf: URL(fileURLWithPath: output))
        }
        #expect(files[0] == files[1] && files[0] == files[2])
    }

    @Test("quantizing with --delta gives the same container as merging first")
    func withDelta() throws {
        let folder = try TemporaryFolder()
        let merged = folder.path.appending("merged").string
        #expect(try CommandLineRunner.run(["merge", base, delta, "--output", merged]).status == 0)
        var digests: [String] = []
        for arguments in [[base, "--delta", delta], [merged]] {
            let output = folder.path.appending("model.pvq").string
            #expect(try CommandLineRunner.run(["quantize"] + arguments + ["--output", output]).status == 0)
            let verified = try CommandLineRunner.run(["verify", output])
            #expect(verified.status == 0)
            digests.append(try #require(verified.output.split(separator: " ").last.map(String.init)))
        }
        #expect(digests[0] == digests[1])
    }

    @Test("inspect shows the format, the components and the origin of a folder and of a container")
    func inspect() throws {
        let folder = try CommandLineRunner.run(["inspect", base])
        #expect(folder.output.contains("2 safetensors shards") && folder.output.contains("4 layers, hidden 256"))
        let container = try CommandLineRunner.run(["inspect", Models.path("gqa-q4.pvq")])
        for text in ["pvit container", "attention", " 4.50 ", "model.safetensors", "model digest"] {
            #expect(container.output.contains(text), "\(text)")
        }
        let delta = try CommandLineRunner.run(["inspect", delta])
        #expect(delta.output.contains("delta"))
    }

    @Test("inspect shows statistics of one tensor, and writes an HTML page")
    func tensor() throws {
        let folder = try TemporaryFolder()
        let page = folder.path.appending("report.html").string
        let outcome = try CommandLineRunner.run([
            "inspect", Models.path("gqa-q4.pvq"), "--tensor", "model.layers.0.mlp.down_proj.weight", "--report", page,
        ])
        #expect(outcome.output.contains("[128, 352]") && outcome.output.contains("█"))
        #expect(try String(contentsOfFile: page, encoding: .utf8).contains("model.layers.2.mlp.down_proj.weight"))
        let absent = try CommandLineRunner.run(["inspect", Models.path("gqa-q4.pvq"), "--tensor", "nothing"])
        #expect(absent.isOneLineError(65))
    }

    @Test("overrides set the type of matching tensors, and one without a match is refused")
    func overrides() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq").string
        let made = try CommandLineRunner.run([
            "quantize", base, "--type", "q4", "--override", "model.layers.0.*=q8", "--override", "*.v_proj.weight=f32",
            "--output", output,
        ])
        #expect(made.status == 0, "\(made.errors)")
        struct Listing: Decodable {
            struct Tensor: Decodable {
                let name: String
                let encoding: String
            }
            let tensors: [Tensor]
        }
        let listing = try CommandLineRunner.decode(Listing.self, from: ["inspect", output, "--tensors", "--json"])
        let encodings = Dictionary(uniqueKeysWithValues: listing.tensors.map { ($0.name, $0.encoding) })
        #expect(encodings["model.layers.0.mlp.up_proj.weight"] == "q8")
        #expect(encodings["model.layers.0.self_attn.v_proj.weight"] == "f32")
        #expect(encodings["model.layers.1.mlp.up_proj.weight"] == "q4")
        #expect(encodings["lm_head.weight"] == "q8")
        let unused = try CommandLineRunner.run([
            "quantize", base, "--override", "no.such.*=q8", "--output", output,
        ])
        #expect(unused.isOneLineError(64), "\(unused.errors)")
    }

    @Test("errors have the documented exit statuses")
    func statuses() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq").string
        #expect(try CommandLineRunner.run(["quantize"]).status == 64)
        #expect(try CommandLineRunner.run(["run", "model.pvq", "a", "--temperature", "-1"]).status == 64)
        #expect(
            try CommandLineRunner.run(["quantize", folder.path.appending("no").string, "-o", output]).isOneLineError(66)
        )
        #expect(try CommandLineRunner.run(["run", folder.path.appending("no").string, "a"]).isOneLineError(66))
        #expect(try CommandLineRunner.run(["quantize", base, "-o", "/nonexistent/model.pvq"]).isOneLineError(73))
        #expect(try CommandLineRunner.run(["merge", base, delta, "-o", base, "--quiet"]).isOneLineError(64))
        try folder.write("full/file", "text")
        let full = folder.path.appending("full").string
        #expect(try CommandLineRunner.run(["merge", base, delta, "-o", full, "--quiet"]).isOneLineError(73))
        let swapped = try CommandLineRunner.run(["quantize", delta, "-o", output])
        #expect(swapped.isOneLineError(65) && swapped.errors.contains("delta"))
    }
}
