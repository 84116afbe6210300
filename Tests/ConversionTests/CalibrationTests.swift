import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Platform
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Calibration by a text")
struct CalibrationTests {
    private let folder: TemporaryFolder
    private var output: FilePath { folder.path.appending("model.pvq") }

    init() throws { folder = try TemporaryFolder() }

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
        func convert(_ text: [UInt8]?, threads: Int) throws -> [UInt8] {
            let calibration = try text.map { try Calibration([folder.write("text.txt", $0)]) }
            let options = QuantizeOptions(
                type: .q4, importance: calibration.map { .calibration($0) } ?? .randomTokens, threadCount: threads)
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
        #expect(recipe["importance"] == "second order")
        #expect(recipe["calibration"]?["texts"]?.array?.first?["bytes"] == 1104)
        #expect(recipe["calibration"]?["texts"]?.array?.first?["path"] == "text.txt")
        #expect(recipe["calibration"]?["tokens"] == 65536)
    }

    @Test("a text of a few words is refused, and so is a tokenizer of another model")
    func refused() throws {
        func code(_ text: [UInt8], _ checkpoint: Checkpoint) throws -> PVITError.Code? {
            let options = QuantizeOptions(
                importance: .calibration(try Calibration([folder.write("text.txt", text)])))
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

    /// Options for a calibration of the letters.
    private func options(resumes: Bool = false, text: [UInt8]? = nil) throws -> QuantizeOptions {
        let calibration = try Calibration(
            [folder.write("text.txt", text ?? self.text)], tokenCount: 512, resumes: resumes)
        return QuantizeOptions(type: .q4, importance: .calibration(calibration), threadCount: 1)
    }

    /// Quantizes until the first layer has been kept, and then stops.
    private func stop(_ checkpoint: Checkpoint, after file: String = "states.pvq") throws {
        let journal = folder.path.appending("model.pvq.calibration").appending(file)
        let monitor = WorkMonitor(isCancelled: { (try? MappedFile(path: journal)) != nil })
        let error = try #require(
            #expect(throws: PVITError.self) {
                try Quantize.write(checkpoint, to: output, options: options(), monitor: monitor)
            })
        #expect(error.code.name == "work.cancelled")
        #expect(try folder.entries.contains("model.pvq.calibration") && !folder.entries.contains("model.pvq"))
    }

    @Test("a run that was stopped continues after the layer that it had finished, and gives the same bytes")
    func resumes() throws {
        let checkpoint = try checkpoint()
        _ = try Quantize.write(checkpoint, to: output, options: options())
        let undisturbed = try contents(of: output)
        #expect(try folder.entries.sorted() == ["model.pvq", "text.txt"])
        try folder.remove("model.pvq")

        try stop(checkpoint)
        let refused = #expect(throws: PVITError.self) {
            try Quantize.write(checkpoint, to: output, options: options())
        }
        #expect(refused?.code.name == "calibrate.unfinished" && refused?.remedy?.contains("--resume") == true)
        let other = #expect(throws: PVITError.self) {
            try Quantize.write(
                checkpoint, to: output, options: options(resumes: true, text: Array("abc".utf8) + text))
        }
        #expect(other?.code.name == "calibrate.unfinished")
        _ = try Quantize.write(checkpoint, to: output, options: options(resumes: true))
        #expect(try contents(of: output) == undisturbed)
        #expect(try folder.entries.sorted() == ["model.pvq", "text.txt"])
    }

    @Test("a second run for the same output is refused while the first one has not ended")
    func concurrent() throws {
        let checkpoint = try checkpoint()
        let journal = folder.path.appending("model.pvq.calibration").appending("states.pvq")
        let codes = Lock<[String?]>([])
        let monitor = WorkMonitor(isCancelled: {
            guard codes.withLock({ $0.isEmpty }), (try? MappedFile(path: journal)) != nil else { return false }
            codes.withLock { $0 = [nil] }
            let refused = [false, true].map { resumes in
                let error = #expect(throws: PVITError.self) {
                    try Quantize.write(checkpoint, to: output, options: options(resumes: resumes))
                }
                return error?.code.name
            }
            codes.withLock { $0 = refused }
            return false
        })
        _ = try Quantize.write(checkpoint, to: output, options: options(), monitor: monitor)
        #expect(codes.withLock { $0 } == ["file.in-use", "file.in-use"])
        #expect(try folder.entries.sorted() == ["model.pvq", "text.txt"])
    }

    @Test("a damaged layer of a run that was stopped is an error")
    func damagedJournal() throws {
        let checkpoint = try checkpoint()
        try stop(checkpoint)
        let layer = "model.pvq.calibration/layer-0.pvq"
        var bytes = try contents(of: folder.path.appending(layer))
        bytes[4096 + 100] ^= 1
        _ = try folder.write(layer, bytes)
        let error = #expect(throws: PVITError.self) {
            try Quantize.write(checkpoint, to: output, options: options(resumes: true))
        }
        #expect(error?.code.name == "container.tile-checksum")
        #expect(try !folder.entries.contains("model.pvq"))
    }

    @Test("a layer in another one's place is an error, and is not encoded without calibration")
    func exchangedLayer() throws {
        let checkpoint = try checkpoint()
        try stop(checkpoint, after: "layer-1.pvq")
        let journal = "model.pvq.calibration"
        _ = try folder.write(
            "\(journal)/layer-0.pvq", contents(of: folder.path.appending("\(journal)/layer-1.pvq")))
        let error = #expect(throws: PVITError.self) {
            try Quantize.write(checkpoint, to: output, options: options(resumes: true))
        }
        #expect(error?.code.name == "calibrate.unfinished" && error?.file?.contains("layer-0.pvq") == true)
        #expect(try !folder.entries.contains("model.pvq"))
    }

    @Test("a sample that needs more memory than it may use is refused before any work")
    func memory() throws {
        let calibration = try Calibration(
            [folder.write("text.txt", text)], memory: ByteCount(rawValue: 1 << 16))
        let error = #expect(throws: PVITError.self) {
            try Quantize.write(
                checkpoint(), to: output, options: QuantizeOptions(importance: .calibration(calibration)))
        }
        #expect(error?.code.name == "calibrate.memory")
        #expect(try folder.entries == ["text.txt"])
    }

    @Test("the built-in text is UTF-8 and has many scripts, and a file of its name is read by a path")
    func builtIn() throws {
        #expect(Calibration.isBuiltIn("default") && !Calibration.isBuiltIn("./default"))
        _ = try Calibration(["default"])
        #expect(throws: PVITError.self) { try Calibration(["./default"]) }
    }
}
