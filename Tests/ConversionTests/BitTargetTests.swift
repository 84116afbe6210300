import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("A target of bits per weight")
struct BitTargetTests {
    /// A checkpoint whose tokenizer knows all bytes of the built-in text.
    private func checkpoint() throws -> Checkpoint {
        var model = TinyModel()
        model.vocabulary = 256
        let checkpoint = try model.checkpoint()
        var files = checkpoint.sideFiles
        files[SideFiles.tokenizerJSON] = try byteTokenizer()
        return try Checkpoint(
            path: checkpoint.path, format: checkpoint.format, weights: checkpoint.weights, sideFiles: files,
            sourceFiles: [])
    }

    /// A tokenizer with a token for each byte.
    private func byteTokenizer() throws -> [UInt8] {
        // The characters that GPT-2 writes bytes as.
        let printable = Array(33...126) + Array(161...172) + Array(174...255)
        var vocabulary = JSONObject()
        var other: UInt32 = 256
        for byte in 0..<256 {
            let scalar = printable.contains(byte) ? UInt32(byte) : other
            if !printable.contains(byte) { other += 1 }
            vocabulary[String(Character(try #require(Unicode.Scalar(scalar))))] = .integer(byte)
        }
        let tokenizer: JSONObject = [
            "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
            "decoder": ["type": "ByteLevel"],
        ]
        return JSONValue.object(tokenizer).encoded()
    }

    private func options(
        _ bits: Double, overrides: [String] = [], calibration: Calibration? = nil, threads: Int = 1
    ) throws -> QuantizeOptions {
        QuantizeOptions(
            overrides: try overrides.map { try QuantizeOptions.Override(parsing: $0) },
            bits: QuantizeOptions.BitTarget(bitsPerWeight: bits),
            importance: calibration.map { .calibration($0) } ?? .randomTokens, threadCount: threads)
    }

    @Test(
        "matrices that lose most in q4 for each byte become q8, as far as the target allows, and the file records why")
    func allocation() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        let report = try Quantize.write(checkpoint(), to: output, options: options(6))
        let allocation = try #require(report.allocation)
        let container = try Container(opening: output)
        #expect(try container.metadata["provenance.recipe"]?["bits"]?.double == 6)
        let record = try #require(try container.metadata["provenance.sensitivity"])
        #expect(record["tokens"] == 512)
        let matrices = try container.tensors().filter(\.encoding.isQuantized)
        #expect(matrices.count == 16 && record["divergence"]?.object?.members.count == 16)
        // q4 has 4.5 bits a weight and q8 8.5 (formats/blocks.md).
        let sizes: [TensorEncoding: Double] = [.q4: 4.5, .q8: 8.5]
        var bits = 0.0
        var weights = 0
        var gains: [TensorEncoding: [(gain: Double, weights: Int)]] = [:]
        for matrix in matrices {
            let divergence = try #require(record["divergence"]?[matrix.name.rawValue]?.double)
            #expect(divergence > 0)
            let count = matrix.shape.elementCount
            bits += try #require(sizes[matrix.encoding]) * Double(count)
            weights += count
            gains[matrix.encoding, default: []].append((divergence / Double(count), count))
        }
        let mean = bits / Double(weights)
        #expect(abs(mean - allocation.bitsPerWeight) < 1e-9 && mean <= 6)
        let kept = try #require(gains[.q4]), given = try #require(gains[.q8])
        let least = try #require(given.map(\.gain).min())
        for matrix in kept {
            let larger = (bits + 4 * Double(matrix.weights)) / Double(weights)
            #expect(larger > 6)
            // One that gains more was only left out because it did not fit.
            if matrix.gain > least { #expect(given.contains { $0.weights < matrix.weights }) }
        }
    }

    @Test("the bytes do not depend on the threads, and a tensor with an override keeps its type and does not count")
    func overrides() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        func convert(_ options: QuantizeOptions) throws -> [UInt8] {
            _ = try Quantize.write(checkpoint(), to: output, options: options)
            return try contents(of: output)
        }
        let overrides = ["model.embed_tokens.*=f16", "lm_head.*=q8", "*.v_proj.*=q8"]
        let bytes = try convert(options(4.5, overrides: overrides))
        #expect(try convert(options(4.5, overrides: overrides, threads: 3)) == bytes)
        for tensor in try Container(opening: output).tensors() where tensor.shape.rank == 2 {
            let expected: TensorEncoding =
                switch tensor.name.rawValue {
                case "model.embed_tokens.weight": .plain(.f16)
                case "lm_head.weight": .q8
                default: tensor.name.rawValue.contains("v_proj") ? .q8 : .q4
                }
            #expect(tensor.role == .attachment || tensor.encoding == expected, "\(tensor.name)")
        }
    }

    @Test("a target below q4, and a model without a matrix to choose for, are errors before anything is measured")
    func refused() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        for options in [try options(4.4), try options(8, overrides: ["*=f16"])] {
            let error = #expect(throws: PVITError.self) {
                try Quantize.write(checkpoint(), to: output, options: options)
            }
            #expect(error?.code.name == "quantize.bits")
        }
        #expect(try folder.entries.isEmpty)
    }

    @Test("a run that was stopped after measuring continues with what it measured, and gives the same bytes")
    func resumes() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        let text = try folder.write("text.txt", Array(String(repeating: "abacadbabcd", count: 100).utf8))
        func options(resumes: Bool) throws -> QuantizeOptions {
            try self.options(6, calibration: Calibration([text], tokenCount: 512, resumes: resumes))
        }
        _ = try Quantize.write(checkpoint(), to: output, options: options(resumes: false))
        let undisturbed = try contents(of: output)
        try folder.remove("model.pvq")
        let kept = folder.path.appending("model.pvq.calibration").appending("sensitivities.pvq")
        let monitor = WorkMonitor(isCancelled: { (try? MappedFile(path: kept)) != nil })
        let error = #expect(throws: PVITError.self) {
            try Quantize.write(checkpoint(), to: output, options: options(resumes: false), monitor: monitor)
        }
        #expect(error?.code.name == "work.cancelled")
        let other = #expect(throws: PVITError.self) {
            try Quantize.write(
                checkpoint(), to: output,
                options: self.options(7, calibration: Calibration([text], tokenCount: 512, resumes: true)))
        }
        #expect(other?.code.name == "calibrate.unfinished")
        _ = try Quantize.write(checkpoint(), to: output, options: options(resumes: true))
        #expect(try contents(of: output) == undisturbed)
        #expect(try folder.entries.sorted() == ["model.pvq", "text.txt"])
    }
}
