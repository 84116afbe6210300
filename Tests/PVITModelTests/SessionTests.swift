import CheckpointTestSupport
import Compute
import Container
import LanguageModel
import ModelTestSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing
import Tokenization
import Vision

@testable import PVITModel

@Suite("Sessions in files", .slow, .needsFixtures)
struct SessionTests {
    private let folder: TemporaryFolder
    private var path: FilePath { folder.path.appending("a.session") }
    private let options = GenerationOptions(maximumTokens: 6)

    init() throws { folder = try TemporaryFolder() }

    private func generator(
        _ name: String, context: Int = 256, storage: KVCache.Storage = .f32, metadata: JSONObject = [:]
    ) throws -> Generator {
        try Generator(ModelFile.model(name, metadata: metadata), contextLength: context, storage: storage)
    }

    /// Answers a text and writes the session.
    private func writeSession(of golden: GoldenText, storage: KVCache.Storage = .f32) throws {
        let generator = try generator("mini-llama-base-st", storage: storage)
        _ = try generator.generate(golden.tokens, options)
        try generator.writeSession(path)
    }

    /// The logits after reading one more token.
    private func logits(_ generator: Generator, after token: TokenID) throws -> [Float] {
        var result: [Float] = []
        try generator.model.llama.forward(.tokens([token]), cache: &generator.cache) { _, logits in
            result = logits.withUnsafeBufferPointer { Array($0) }
        }
        return result
    }

    @Test(
        "another process goes on with the same keys and values: equal tokens and equal logits",
        arguments: KVCache.Storage.allCases)
    func sameBits(_ storage: KVCache.Storage) throws {
        let golden = try GoldenText("base-text")
        let first = try generator("mini-llama-base-st", storage: storage)
        let answer = try first.generate(golden.tokens, options)
        let (count, size) = try first.writeSession(path)
        // The token drawn last has not been read.
        #expect(count == golden.tokens.count + 5)
        #expect(try Int(size.rawValue) == contents(of: path).count)

        let second = try generator("mini-llama-base-st", storage: storage)
        #expect(try second.readSession(path) == count)
        #expect(second.cached == first.cached)
        #expect(try logits(first, after: 5) == logits(second, after: 5))

        let longer = golden.tokens + answer.tokens.dropLast() + [300, 301]
        let third = try generator("mini-llama-base-st", storage: storage)
        try third.readSession(path)
        let continued = try third.generate(longer, options)
        #expect(continued.reusedTokenCount == count)
        let fresh = try generator("mini-llama-base-st", storage: storage)
        #expect(try fresh.generate(longer, options).tokens == continued.tokens)
        #expect(try logits(fresh, after: 7) == logits(third, after: 7))
    }

    @Test("the file depends on the text alone, not on what was read before it")
    func sameBytes() throws {
        let golden = try GoldenText("base-text")
        try writeSession(of: golden, storage: .q8)
        let bytes = try contents(of: path)
        let second = try generator("mini-llama-base-st", storage: .q8)
        _ = try second.generate([1] + (0..<100).map { TokenID(rawValue: 400 + $0) }, options)
        _ = try second.generate(golden.tokens, options)
        try second.writeSession(path)
        #expect(try contents(of: path) == bytes)
    }

    @Test("a context shorter than the session reads what fits")
    func shorterContext() throws {
        let golden = try GoldenText("base-text")
        try writeSession(of: golden)
        for context in [1, 9, golden.tokens.count - 1] {
            let second = try generator("mini-llama-base-st", context: context)
            #expect(try second.readSession(path) == context)
            let prompt = Array(golden.tokens.prefix(max(context - 2, 1)))
            let limit = GenerationOptions(maximumTokens: 1)
            #expect(
                try second.generate(prompt, limit).tokens
                    == generator("mini-llama-base-st").generate(prompt, limit).tokens)
        }
    }

    @Test("a further question about an image runs no tower, and one about a new region only the region's stage")
    func image() throws {
        let region = "<Region><L100><L120><L600><L900></Region>"
        let other = "<Region><L0><L0><L500><L500></Region>"
        func image() throws -> PreparedImage {
            try PVITFile.model().image(#require(try PVITCase("0024-multi-turn").decodedImage()))
        }
        func ask(_ generator: Generator, _ text: String) throws -> GenerationResult {
            try generator.answer([ChatMessage(.user, "<image>\n\(text)")], image: image(), options)
        }
        let first = try PVITFile.generator()
        _ = try ask(first, "What is in \(region)?")
        try first.writeSession(path)
        let digest = try image().digest

        let questions = ["Describe it.", "Why is it in \(region)?", "Where is \(other)?"]
        for question in questions {
            let second = try PVITFile.generator()
            try second.readSession(path)
            let features = try #require(second.model.vision?.features(of: digest))
            let answer = try ask(second, question)
            #expect(answer.reusedTokenCount > 256 && answer.visionTimings.image == .zero)
            #expect((answer.visionTimings.regions > .zero) == question.contains("<Region>"))
            // The features were used as they were read, not computed again.
            let used = try #require(second.model.vision?.features(of: digest))
            #expect(used.map.pixels === features.map.pixels)
            let fresh = try PVITFile.generator()
            #expect(try ask(fresh, question).tokens == answer.tokens)
            #expect(try logits(fresh, after: 5) == logits(second, after: 5))
        }

        // Another image under the same tokens is another text.
        let second = try PVITFile.generator()
        try second.readSession(path)
        let another = try PVITFile.model().image(#require(try PVITCase("0001-two-regions").decodedImage()))
        let answer = try second.answer([ChatMessage(.user, "<image>\nDescribe it.")], image: another, options)
        #expect(answer.reusedTokenCount < 256 && answer.visionTimings.image > .zero)
    }

    @Test("a session of another model, configuration or type is refused, and stays as it is")
    func foreign() throws {
        try writeSession(of: GoldenText("base-text"))
        let bytes = try contents(of: path)
        func code(_ generator: Generator) -> PVITError.Code? {
            let error = #expect(throws: PVITError.self) { try generator.readSession(path) }
            #expect(error?.file == path.string && error?.remedy != nil)
            return error?.code
        }
        #expect(try code(generator("mini-llama-gqa")) == .sessionOfOtherModel)
        #expect(try code(generator("mini-llama-base-st", storage: .f16)) == .sessionType)
        var config = try ModelFile.checkpoint("mini-llama-base-st").config ?? [:]
        config["rope_theta"] = 20000
        #expect(
            try code(generator("mini-llama-base-st", metadata: ["model.config": .object(config)]))
                == .sessionOfOtherModel)
        #expect(try contents(of: path) == bytes)
    }

    @Test("every truncation and every changed byte is an error, and the generator then answers as a new one")
    func damage() throws {
        let golden = try GoldenText("base-text")
        let prompt = Array(golden.tokens.prefix(8))
        let first = try generator("mini-llama-base-st", storage: .f16)
        let limit = GenerationOptions(maximumTokens: 2)
        let expected = try first.generate(prompt, limit).tokens
        try first.writeSession(path)
        let bytes = try contents(of: path)
        let second = try generator("mini-llama-base-st", storage: .f16)
        func expectError(_ bytes: [UInt8], _ what: String) throws {
            try folder.write("a.session", bytes)
            let error = #expect(throws: PVITError.self, "\(what)") { try second.readSession(path) }
            #expect([.sessionDamaged, .notASession].contains(error?.code), "\(what): \(String(describing: error))")
            #expect(second.cached.isEmpty)
        }
        for count in [0, 1, 7, 8, 127, 128, 129, 200, bytes.count / 2, bytes.count - 1] {
            try expectError(Array(bytes[..<count]), "\(count) bytes")
        }
        try expectError(bytes + [0], "one byte more")
        for index in Array(0..<400) + Array(stride(from: 400, to: bytes.count, by: 997)) {
            var changed = bytes
            changed[index] ^= 1 << (index % 8)
            try expectError(changed, "byte \(index)")
        }
        #expect(try second.generate(prompt, limit).tokens == expected)
    }

    @Test("impossible numbers under right checksums are errors, not traps or huge allocations")
    func hostile() throws {
        let first = try PVITFile.generator()
        let image = try PVITFile.model().image(#require(try PVITCase("0024-multi-turn").decodedImage()))
        let message = ChatMessage(.user, "<image>\nWhat is <Region><L0><L0><L500><L500></Region>?")
        _ = try first.answer([message], image: image, options)
        try first.writeSession(path)
        let bytes = try contents(of: path)
        let second = try PVITFile.generator()
        let records = try SessionHeader(bytes.span.bytes).tableByteCount
        for (offset, width) in [(80, 8), (88, 4), (92, 4), (96, 4), (100, 4), (112, 8), (12, 4), (8, 4)]
            + (0..<8).map({ (128 + 32 + 4 * $0, 4) }) + (0..<16).map({ (128 + 64 + 16 * 3 + $0, 1) })
        {
            for value in [0, 1, 2, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, UInt64.max] {
                var changed = bytes
                for index in 0..<width { changed[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
                guard changed != bytes else { continue }
                func mend(_ place: Int, _ range: Range<Int>) {
                    let checksum = xxh3(changed.span.bytes.extracting(range))
                    for index in 0..<8 { changed[place + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
                }
                if offset >= 128 { mend(104, 128..<128 + records) }
                mend(120, 0..<120)
                try folder.write("a.session", changed)
                // Another token or region is another text, which is as valid.
                do { try second.readSession(path) } catch let error as PVITError {
                    #expect(error.code.name.hasPrefix("session."), "\(offset) = \(value): \(error)")
                }
            }
        }
    }
}
