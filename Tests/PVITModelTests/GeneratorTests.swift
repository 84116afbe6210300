import Architectures
import Checkpoints
import CheckpointTestSupport
import Compute
import Container
import Conversion
import Foundation
import LanguageModel
import Storage
import Synchronization
import SystemPackage
import Tensors
import Testing
import Tokenization

@testable import PVITModel

/// Containers of generated checkpoints with their tokenizers, written once for all tests.
enum ModelFile {
    private static let files = Mutex<[String: (folder: TemporaryFolder, path: FilePath)]>([:])

    static func path(_ name: String, metadata changes: JSONObject = [:]) throws -> FilePath {
        try files.withLock { files in
            let key = name + String(decoding: JSONValue.object(changes).encoded(), as: UTF8.self)
            if let file = files[key] { return file.path }
            let folder = try TemporaryFolder()
            let path = folder.path.appending("model.pvq")
            try write(try checkpoint(name), to: path, changes)
            files[key] = (folder, path)
            return path
        }
    }

    static func checkpoint(_ name: String) throws -> Checkpoint {
        if name != "mini-pvit" { return try CheckpointSource.open(GeneratedFixtures.path(name)) }
        return try DeltaMerge.merge(
            base: checkpoint("mini-llama-base-st"), delta: checkpoint("mini-pvit-delta-st")
        ).checkpoint
    }

    private static func write(_ checkpoint: Checkpoint, to path: FilePath, _ changes: JSONObject) throws {
        var writer = try ContainerWriter(path: path)
        for tensor in checkpoint.weights.tensors {
            let bytes = try checkpoint.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            let encoding = TensorEncoding.plain(tensor.elementType)
            let layout = try TileLayout(encoding: encoding, shape: tensor.shape)
            try writer.beginTensor(tensor.name, encoding: encoding, shape: tensor.shape)
            for tile in 0..<layout.tileCount {
                let start = layout.rows(ofTile: tile).lowerBound * tensor.bytesPerRow
                let content = bytes.span.bytes.extracting(start..<start + layout.byteCount(ofTile: tile))
                try writer.append(
                    TileEncoder.encode(content, encoding: encoding, compression: .none), content: content)
            }
            try writer.endTensor()
        }
        let folder = GeneratedFixtures.path(
            checkpoint.config?["model_type"]?.string == "llava"
                ? "mini-pvit-delta-st" : checkpoint.path.lastComponent?.string ?? "")
        try writer.addAttachment("tokenizer.model", bytes: contents(of: folder.appending("tokenizer.model")))
        var metadata: JSONObject = ["model.config": .object(checkpoint.config ?? [:])]
        let files = [
            ("tokenizer.config", "tokenizer_config.json"), ("tokenizer.special_tokens_map", "special_tokens_map.json"),
            ("tokenizer.added_tokens", "added_tokens.json"),
        ]
        for (key, file) in files {
            metadata[key] = (try? contents(of: folder.appending(file))).flatMap { try? JSONValue(parsing: $0) }
        }
        for member in changes.members { metadata[member.key] = member.value }
        _ = try writer.finish(metadata: metadata)
    }
}

@Suite("Generating text", .enabled(if: GeneratedFixtures.arePresent, "run tools/fixtures first"))
struct GeneratorTests {
    /// The original code's continuation of a prompt.
    struct Golden {
        let prompt: String
        let tokens: [TokenID]
        let continuation: [TokenID]
        let text: String

        init(_ name: String) throws {
            let url = try #require(Bundle.module.url(forResource: "Fixtures/text/\(name)", withExtension: "json"))
            let json = try JSONValue(parsing: Array(try Data(contentsOf: url)))
            func tokens(_ key: String) -> [TokenID] {
                (json[key]?.array ?? []).compactMap { $0.integer.flatMap { TokenID(exactly: $0) } }
            }
            prompt = try #require(json["prompt"]?.string)
            self.tokens = tokens("input_ids")
            continuation = tokens("greedy_ids")
            text = try #require(json["decoded"]?.string)
        }
    }

    private func generator(
        _ name: String, context: Int = 256, metadata: JSONObject = [:]
    ) throws -> Generator {
        let model = try LoadedModel(
            opening: ModelFile.path(name, metadata: metadata), engine: ComputeEngine(threadCount: 2))
        return try Generator(model, contextLength: context, storage: .f32)
    }

    @Test(
        "text, tokens and stream are those of the original code",
        arguments: [("base-text", "mini-llama-base-st"), ("gqa-text", "mini-llama-gqa"), ("pvit-text", "mini-pvit")])
    func goldens(_ text: String, _ checkpoint: String) throws {
        let golden = try Golden(text)
        let generator = try generator(checkpoint)
        #expect(generator.tokens(ofRaw: golden.prompt) == golden.tokens)
        var streamed: [String] = []
        let result = try generator.generate(
            generator.tokens(ofRaw: golden.prompt), GenerationOptions(maximumTokens: 24)
        ) { streamed.append($0) }
        #expect(result.tokens == golden.continuation)
        #expect(result.text == golden.text)
        #expect(streamed.joined() == golden.text)
        #expect(streamed.count > 10)
        #expect(result.stopReason == .length)
        #expect(result.promptTokenCount == golden.tokens.count)
        #expect(result.decodedTokenCount == 23)
    }

    @Test("PVIT's conversation needs no template in the container")
    func pvitConversation() throws {
        let golden = try Golden("pvit-text")
        let generator = try generator("mini-pvit")
        let messages = [ChatMessage(.user, "Describe the water cycle in one sentence.")]
        #expect(try generator.tokens(of: messages) == golden.tokens)
        #expect(try generator.answer(messages, GenerationOptions(maximumTokens: 24)).text == golden.text)
    }

    @Test("a second turn computes only the new tokens and gives the same answer")
    func prefixReuse() throws {
        let first = [ChatMessage(.user, "What floats?")]
        let options = GenerationOptions(maximumTokens: 8)
        let generator = try generator("mini-pvit")
        let answer = try generator.answer(first, options)
        #expect(answer.reusedTokenCount == 0)
        let second = first + [ChatMessage(.assistant, answer.text), ChatMessage(.user, "And what sinks?")]
        let continued = try generator.answer(second, options)
        #expect(continued.reusedTokenCount >= answer.promptTokenCount)
        #expect(continued.reusedTokenCount < continued.promptTokenCount)
        let fresh = try self.generator("mini-pvit").answer(second, options)
        #expect(fresh.reusedTokenCount == 0)
        #expect(fresh.tokens == continued.tokens)
        // The same conversation again reads only its last token.
        let again = try generator.answer(second, options)
        #expect(again.reusedTokenCount == again.promptTokenCount - 1)
        #expect(again.tokens == fresh.tokens)
    }

    @Test("a stop text, EOS, the length and the context each end an answer with their reason")
    func stopReasons() throws {
        let golden = try Golden("base-text")
        let name = "mini-llama-base-st"
        let plain = try generator(name)
        let cut = try #require(golden.text.range(of: "microComp"))
        let stopped = try plain.generate(golden.tokens, GenerationOptions(maximumTokens: 24, stops: ["microComp"]))
        #expect(stopped.stopReason == .stop)
        #expect(stopped.text == golden.text[..<cut.lowerBound])

        let ending: JSONObject = [
            "model.generation_config": ["eos_token_id": [3, .integer(Int(golden.continuation[3].rawValue))]]
        ]
        let ended = try generator(name, metadata: ending).generate(golden.tokens, GenerationOptions(maximumTokens: 24))
        #expect(ended.stopReason == .eos)
        #expect(ended.tokens == Array(golden.continuation[...3]))
        #expect(golden.text.hasPrefix(ended.text))
        #expect(ended.text == plain.model.tokenizer.decode(golden.continuation[..<3]))

        let none = try plain.generate(golden.tokens, GenerationOptions(maximumTokens: 0))
        #expect(none.stopReason == .length)
        #expect(none.tokens.isEmpty && none.text.isEmpty)

        // The token drawn last needs no position in the cache.
        let full = try generator(name, context: golden.tokens.count + 4).generate(golden.tokens)
        #expect(full.stopReason == .context)
        #expect(full.tokens == Array(golden.continuation[..<5]))
        let error = #expect(throws: PVITError.self) {
            try generator(name, context: golden.tokens.count - 1).generate(golden.tokens)
        }
        #expect(error?.code == .contextFull)
    }

    @Test("an error thrown while an answer is emitted ends it, and the next answer is correct")
    func interruption() throws {
        struct Interruption: Error {}
        let golden = try Golden("base-text")
        let generator = try generator("mini-llama-base-st")
        #expect(throws: Interruption.self) {
            try generator.generate(golden.tokens, GenerationOptions(maximumTokens: 24)) { _ in throw Interruption() }
        }
        let result = try generator.generate(golden.tokens, GenerationOptions(maximumTokens: 24))
        #expect(result.tokens == golden.continuation)
    }

    @Test("a model without a template rejects conversations and names --raw")
    func noTemplate() throws {
        let generator = try generator("mini-llama-gqa")
        let error = #expect(throws: PVITError.self) { try generator.answer([ChatMessage(.user, "Hello")]) }
        #expect(error?.code == .chatTemplate)
        #expect(error?.remedy?.contains("--raw") == true)
    }

    @Test("an incomplete model is refused")
    func notAModel() throws {
        let engine = try ComputeEngine(threadCount: 1)
        let name = "mini-llama-gqa"
        let noConfig = #expect(throws: PVITError.self) {
            _ = try LoadedModel(opening: ModelFile.path(name, metadata: ["model.config": .null]), engine: engine)
        }
        #expect(noConfig?.code == .modelConfig)
        #expect(noConfig?.file != nil)
        var config = try ModelFile.checkpoint(name).config ?? [:]
        config["num_hidden_layers"] = 4
        let missing = #expect(throws: PVITError.self) {
            _ = try LoadedModel(
                opening: ModelFile.path(name, metadata: ["model.config": .object(config)]), engine: engine)
        }
        #expect(missing?.tensor == "model.layers.3.input_layernorm.weight")
    }

    @Test("evaluation windows begin with BOS")
    func windows() throws {
        let model = try generator("mini-llama-base-st").model
        let text = String(repeating: "Water rises and falls. ", count: 12)
        let windows = try model.windows(of: Array(text.utf8), context: 16)
        let tokens = model.tokenizer.encode(text)
        #expect(windows.windows.count == tokens.count / 16)
        #expect(windows.windows.allSatisfy { $0[0] == 1 })
        #expect(Array(windows.windows[1][1...]) == Array(tokens[17..<32]))
    }
}
