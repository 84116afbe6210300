import CheckpointTestSupport
import Foundation
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

@Suite("PVIT against its original code", .slow, .needsFixtures)
struct PVITGoldenTests {
    private func logits(of prompt: ModelPrompt, _ model: LoadedModel) throws -> [Float] {
        var cache = try KVCache(for: model.llama.configuration, storage: .f32, capacity: prompt.tokens.count)
        var result: [Float] = []
        try model.llama.forward(model.input(for: prompt).input, cache: &cache) { _, logits in
            result = logits.withUnsafeBufferPointer { Array($0) }
        }
        return result
    }

    @Test(
        "prompts, logits and answers are those of the original code, with images and regions", arguments: PVITCase.names
    )
    func answers(name: String) throws {
        let golden = try PVITCase(name)
        let generator = try PVITFile.generator()
        // If the original's pixels are not among the fixtures, use our own decoder's.
        let image = try (golden.decodedImage() ?? golden.image()).map { try generator.model.image($0) }
        let prompt = try generator.model.prompt(of: golden.messages, image: image)
        #expect(prompt.tokens == golden.tokens)
        let distance = largestDistance(
            try logits(of: prompt, generator.model), try golden.numbers("prefill_logits_last"))
        #expect(distance < 2e-4, "\(distance)")
        let raw = try generator.model.prompt(ofRaw: golden.prompt, image: image)
        #expect(raw.tokens == golden.tokens && raw.positions == prompt.positions)

        var streamed = ""
        let result = try generator.answer(
            golden.messages, image: image, GenerationOptions(maximumTokens: 24)
        ) { streamed += $0 }
        let certain = golden.gaps.prefix { $0 >= 1e-3 }.count
        #expect(result.tokens.prefix(certain) == golden.continuation.prefix(certain))
        if certain == 24 { #expect(result.text == golden.decoded && streamed == golden.decoded) }
        #expect(result.promptTokenCount == golden.tokens.count && result.cutTokenCount == 0)
    }

    @Test(
        "with towers in 8 bits, logits are close to the original code's, and its choices are the same if no other is near",
        arguments: PVITCase.names.dropLast())
    func quantizedTowers(name: String) throws {
        let golden = try PVITCase(name)
        let generator = try PVITFile.generator(.quantized)
        let image = try (golden.decodedImage() ?? golden.image()).map { try generator.model.image($0) }
        let prompt = try generator.model.prompt(of: golden.messages, image: image)
        let distance = largestDistance(
            try logits(of: prompt, generator.model), try golden.numbers("prefill_logits_last"))
        // The logits of these random weights have a standard deviation of 2. Weights in float16 are exact.
        #expect(distance > 1e-3 && distance < 0.15, "\(distance)")
        let result = try generator.answer(golden.messages, image: image, GenerationOptions(maximumTokens: 24))
        let certain = golden.gaps.prefix { $0 >= 2 * Double(distance) }.count
        #expect(result.tokens.prefix(certain) == golden.continuation.prefix(certain))
    }

    @Test(
        "the decoder's input embeddings are those of the original code",
        arguments: ["0001-two-regions", "0024-multi-turn"])
    func embeddings(name: String) throws {
        let golden = try PVITCase(name)
        let model = try PVITFile.model()
        let image = try golden.decodedImage().map { try model.image($0) }
        let prompt = try model.prompt(of: golden.messages, image: image)
        guard case .embeddings(let embeddings) = try model.input(for: prompt).input else {
            Issue.record("the input of an image is embeddings")
            return
        }
        let distance = largestDistance(embeddings.values, try golden.numbers("inputs_embeds"))
        #expect(distance < 5e-5, "\(distance)")
    }

    @Test("JPEG files give the pixels and logits of the original code", arguments: PVITCase.names.dropLast())
    func files(name: String) throws {
        let golden = try PVITCase(name)
        let model = try PVITFile.model()
        let image = try model.image(contentsOf: #require(golden.imagePath))
        if let decoded = try golden.decodedImage() {
            #expect(try golden.image() == decoded)
            #expect(try model.image(decoded).digest == image.digest)
        }
        let distance = largestDistance(
            try logits(of: model.prompt(of: golden.messages, image: image), model),
            try golden.numbers("prefill_logits_last"))
        #expect(distance < 2e-4, "\(distance)")
    }

    @Test("boxes in the scaled image are those of the original code")
    func boxes() throws {
        let json = try JSONValue(parsing: contents(of: FilePath(SharedFixtures.path("box_transform.json"))))
        let records = try #require(json["records"]?.array)
        #expect(!records.isEmpty)
        func rows(_ record: JSONValue, _ key: String) -> [[Double]] {
            (record[key]?.array ?? []).map { ($0.array ?? []).compactMap(\.double) }
        }
        for record in records {
            let sides = (record["image_wh"]?.array ?? []).compactMap(\.integer)
            let size = PixelSize(width: sides[0], height: sides[1])
            let scaled = try size.fitting(shortestEdge: 800, longestEdge: 1333)
            #expect([scaled.width, scaled.height] == (record["resized_wh"]?.array ?? []).compactMap(\.integer))
            let boxes = rows(record, "boxes_resized_float32")
            let fractions = rows(record, "boxes_fraction_float32_into_bbox_fc")
            for (index, tokens) in rows(record, "location_tokens").map({ $0.map { Int($0) } }).enumerated() {
                let region = RegionLocation(left: tokens[0], top: tokens[1], right: tokens[2], bottom: tokens[3])
                let geometry = RegionGeometry(region, size: size, scaledSize: scaled)
                let box = [geometry.box.left, geometry.box.top, geometry.box.right, geometry.box.bottom]
                for edge in 0..<4 {
                    #expect(abs(Double(box[edge]) - boxes[index][edge]) <= 1e-4)
                    #expect(abs(Double(geometry.fractions[edge]) - fractions[index][edge]) <= 1e-6)
                }
            }
        }
    }
}
