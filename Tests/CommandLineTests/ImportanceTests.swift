import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Importance matrices on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ImportanceTests {
    private let model = GeneratedFixtures.path("mini-llama-gqa").string
    private let imatrix = CommandLineRunner.packageRoot.appending("Tests/CheckpointsTests/Fixtures/imatrix")

    @Test(
        "quantize takes what llama-imatrix measured, and inspect shows it",
        arguments: ["llama-imatrix.gguf", "llama-imatrix.dat"])
    func quantize(name: String) throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq").string
        let path = imatrix.appending(name).string
        let outcome = try CommandLineRunner.run(["quantize", model, "--importance", path, "--output", output])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let described = try CommandLineRunner.run(["inspect", output])
        #expect(described.output.contains("importance imatrix, imatrix \(name)"), "\(described.output)")
        #expect(try CommandLineRunner.run(["verify", output]).status == 0)
    }

    @Test("an importance matrix of another model, or another file, is a one-line error, and nothing is written")
    func refused() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq").string
        for (file, status, words) in [
            (imatrix.appending("gguf-library.gguf").string, 65, "tensor model.layers.0."),
            (CommandLineRunner.packageRoot.appending("LICENSE").string, 65, "not an importance matrix of llama.cpp"),
            (imatrix.appending("absent.gguf").string, 66, "absent.gguf"),
        ] as [(String, Int32, String)] {
            let outcome = try CommandLineRunner.run(["quantize", model, "--importance", file, "--output", output])
            #expect(outcome.isOneLineError(status) && outcome.errors.contains(words), "\(outcome.errors)")
        }
        #expect(try folder.entries.isEmpty)
    }

    @Test("--importance and --calibration exclude each other")
    func both() throws {
        let text = CommandLineRunner.packageRoot.appending("LICENSE").string
        let outcome = try CommandLineRunner.run([
            "quantize", model, "--importance", imatrix.appending("llama-imatrix.gguf").string, "--calibration", text,
            "--output", "model.pvq",
        ])
        #expect(outcome.isOneLineError(64) && outcome.errors.contains("either --calibration or --importance"))
    }
}
