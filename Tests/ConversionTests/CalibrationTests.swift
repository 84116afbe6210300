import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Calibration by a text")
struct CalibrationTests {
    /// A model whose tokenizer knows a few letters.
    private func checkpoint() throws -> Checkpoint {
        let checkpoint = try TinyModel().checkpoint()
        var files = checkpoint.sideFiles
        let vocabulary: JSONObject = ["a": 0, "b": 1, "c": 2, "d": 3, "<unk>": 4]
        let tokenizer: JSONObject = [
            "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": [], "unk_token": "<unk>"],
            "decoder": ["type": "Fuse"],
        ]
        files[SideFiles.tokenizerJSON] = JSONValue.object(tokenizer).encoded()
        return try Checkpoint(
            path: checkpoint.path, format: checkpoint.format, weights: checkpoint.weights, sideFiles: files,
            sourceFiles: [])
    }

    private let text = Array(String(repeating: "abacadbabcd", count: 100).utf8)

    @Test("the bytes depend on the text, not on the threads, and the recipe has its digest")
    func file() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        func convert(_ text: [UInt8]?, threads: Int) throws -> [UInt8] {
            let calibration = try text.map { try Calibration(path: folder.write("text.txt", $0)) }
            let options = QuantizeOptions(
                type: .q4, importance: calibration.map { .text($0) } ?? .randomTokens, threadCount: threads)
            _ = try Quantize.write(checkpoint(), to: output, options: options)
            return try contents(of: output)
        }
        let random = try convert(nil, threads: 1)
        let calibrated = try convert(text, threads: 1)
        #expect(try convert(text, threads: 3) == calibrated)
        #expect(try convert(Array(text.reversed().dropFirst(4)), threads: 1) != calibrated)
        #expect(random != calibrated)
        _ = try convert(Array("abcd".utf8) + text, threads: 2)
        let recipe = try #require(try Container(opening: output).metadata["provenance.recipe"])
        #expect(recipe["importance"] == "text")
        #expect(recipe["calibration"]?["bytes"] == 1104)
        #expect(recipe["calibration"]?["path"] == "text.txt")
    }

    @Test("a text of a few words is refused, and so is a tokenizer of another model")
    func refused() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        func code(_ text: [UInt8], _ checkpoint: Checkpoint) throws -> PVITError.Code? {
            let options = QuantizeOptions(
                importance: .text(try Calibration(path: folder.write("text.txt", text))))
            let error = #expect(throws: PVITError.self) {
                try Quantize.write(checkpoint, to: output, options: options)
            }
            return error?.code
        }
        #expect(try code(Array(text[..<50]), checkpoint())?.name == "quantize.calibration")
        let small = try checkpoint().with(
            config: {
                var model = TinyModel()
                model.vocabulary = 3
                return model.configuration
            }())
        let narrow = try small.with(
            weights: {
                var model = TinyModel()
                model.vocabulary = 3
                return try model.source()
            }())
        #expect(try code(text, narrow)?.name == "quantize.calibration")
        #expect(try folder.entries.allSatisfy { $0 == "text.txt" })
    }
}
