import CheckpointTestSupport
import Foundation
import PVITModel
import SystemPackage
import TestSupport
import Testing

@Suite("The Swift library beside the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct SwiftLibraryTests {
    private static let photograph = SharedFixtures.path("photos/0001.jpg")
    private static let boxes = ["one=0.47,0.262,0.571,0.894", "two=19,121,122,331"]

    /// The bits of the float32 numbers in a NumPy file.
    private func bits(_ path: FilePath) throws -> [UInt32] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path.string))
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        return stride(from: start, to: bytes.count, by: 4).map { offset in
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        }
    }

    @Test("greedy answers, logits, features and embeddings are the same, bit for bit")
    func sameBits() async throws {
        let file = try Models.path("pvit-f32.pvq")
        let folder = try TemporaryFolder()
        let output = folder.path.appending("numbers.npy")
        func evaluate(_ arguments: [String]) throws -> [UInt32] {
            let outcome = try CommandLineRunner.run(["evaluate"] + arguments + ["--output", output.string])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try bits(output)
        }
        let model = try await Model(FilePath(file), options: Model.Options(threadCount: 2, contextLength: 512))
        let image = try model.image(contentsOf: FilePath(Self.photograph))
        let regions = try Self.boxes.map { try NamedRegion(parsing: $0) }
        let flags = Self.boxes.flatMap { ["--region", $0] }

        let question = "Who is taller, {one} or {two}?"
        let answer = model.answer(
            to: question, about: image, regions: regions, options: GenerationOptions(maximumTokens: 12))
        let run = try CommandLineRunner.run(
            ["run", file, question, "--image", Self.photograph, "--max-tokens", "12", "--no-stdin"] + flags)
        #expect(try await answer.text() + "\n" == run.output)

        let text = "USER: <image> Who? ASSISTANT:"
        let logits = try await model.logits(of: text, about: image)
        #expect(
            try logits.values.map(\.bitPattern)
                == evaluate(["logits", file, "--image", Self.photograph, "--prompt", text]))

        let (ofImage, ofRegions) = (
            try await model.embeddings(of: image), try await model.embeddings(of: regions, in: image)
        )
        for (table, options) in [
            (ofImage.features, []), (ofImage.embeddings, ["--embeddings"]), (ofRegions.features, flags),
            (ofRegions.embeddings, flags + ["--embeddings"]),
        ] {
            #expect(
                try table.values.map(\.bitPattern)
                    == evaluate(["features", file, "--image", Self.photograph] + options))
        }
    }
}
