import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Packed deltas on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct PackedDeltaTests {
    private let base = GeneratedFixtures.path("mini-llama-base-st").string

    /// A folder with the fine-tuned model and a packed delta of it.
    private func packed() throws -> (folder: TemporaryFolder, target: String, delta: String) {
        let folder = try TemporaryFolder()
        let target = folder.path.appending("target").string
        let delta = folder.path.appending("delta.pvq").string
        let merged = try CommandLineRunner.run([
            "merge", base, GeneratedFixtures.path("mini-pvit-delta-st").string, "--output", target, "--quiet",
        ])
        #expect(merged.status == 0, "\(merged.errors)")
        let outcome = try CommandLineRunner.run(["delta", base, target, "--packed", "--output", delta])
        #expect(outcome.status == 0 && outcome.errors.contains("wrote "), "\(outcome.errors)")
        return (folder, target, delta)
    }

    @Test("merge gives back the same files, and quantize --delta the same container as the target")
    func roundTrip() throws {
        let (folder, target, delta) = try packed()
        let again = folder.path.appending("again").string
        #expect(try CommandLineRunner.run(["merge", base, delta, "--output", again]).status == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: target).sorted()
        #expect(try FileManager.default.contentsOfDirectory(atPath: again).sorted() == names)
        for name in names {
            #expect(
                FileManager.default.contents(atPath: target + "/" + name)
                    == FileManager.default.contents(atPath: again + "/" + name), "\(name)")
        }
        var digests: [String] = []
        for arguments in [[base, "--delta", delta], [target]] {
            let output = folder.path.appending("model.pvq").string
            #expect(try CommandLineRunner.run(["quantize"] + arguments + ["--output", output]).status == 0)
            let verified = try CommandLineRunner.run(["verify", output])
            digests.append(try #require(verified.output.split(separator: " ").last.map(String.init)))
        }
        #expect(digests[0] == digests[1])
    }

    @Test("verify and inspect say what it is, and how far each layer was moved")
    func description() throws {
        let (folder, _, delta) = try packed()
        defer { withExtendedLifetime(folder) {} }
        let verified = try CommandLineRunner.run(["verify", delta])
        #expect(verified.status == 0 && verified.output.contains("packed delta"), "\(verified.output)")
        let inspected = try CommandLineRunner.run(["inspect", delta])
        for text in ["pvit packed delta", "mini-llama-base-st", "unchanged", "layer 0", "layer 3", "feed-forward"] {
            #expect(inspected.output.contains(text), "\(text)")
        }
        struct Report: Decodable {
            struct Layer: Decodable { let layer: String }
            let changes: [Layer]
        }
        let report: Report = try CommandLineRunner.decode(from: ["inspect", delta, "--json"])
        #expect(report.changes.contains { $0.layer == "layer 2" })
    }

    @Test("commands that need a model say that it has to be merged")
    func refused() throws {
        let (folder, target, delta) = try packed()
        defer { withExtendedLifetime(folder) {} }
        let output = folder.path.appending("output").string
        for arguments in [
            ["run", delta, "Hello"], ["bench", delta], ["tokenize", delta, "a"], ["inspect", delta, "--plan"],
            ["quantize", delta, "--output", output], ["export", delta, "--output", output],
            ["merge", delta, base, "--output", output], ["delta", base, delta, "--output", output],
        ] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(
                outcome.isOneLineError(65) && outcome.errors.contains("pvit merge"), "\(arguments)\n\(outcome.errors)")
        }
        let other = try CommandLineRunner.run(["merge", target, delta, "--output", output])
        #expect(other.isOneLineError(65) && other.errors.contains("another base"), "\(other.errors)")
        #expect(!FileManager.default.fileExists(atPath: output))
    }
}
