import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import PVITModel

@Suite("PVIT's prompts", .needsFixtures)
struct PVITPromptTests {
    private static let tokenizer = Result { try tokenizer(in: GeneratedFixtures.path("mini-pvit-delta-st")) }

    private static func tokenizer(in folder: FilePath) throws -> Tokenizer {
        func json(_ name: String) throws -> JSONObject? {
            try JSONValue(parsing: contents(of: folder.appending(name))).object
        }
        return try Tokenizer(
            files: TokenizerFiles(
                tokenizerJSON: nil, sentencePieceModel: contents(of: folder.appending("tokenizer.model")),
                config: json("tokenizer_config.json"), specialTokensMap: json("special_tokens_map.json"),
                addedTokens: json("added_tokens.json")))
    }

    private func prompt(_ text: String, images: Int = 1) throws -> PVITPrompt {
        try PVITPrompt(
            PromptText(text), imageCount: images, patchCount: 256, tokenizer: Self.tokenizer.get(), addBOS: true)
    }

    private func positions(_ text: String, images: Int = 1) throws -> PromptPositions {
        let special = try #require(PVITTokens(of: Self.tokenizer.get()))
        return try PromptPositions(of: prompt(text, images: images), patchCount: 256, special)
    }

    /// Expands a list of ids in which a pair is an id and the number of its repetitions.
    private func tokens(_ runs: [JSONValue]) throws -> [TokenID] {
        try runs.flatMap { run in
            let (id, count) = (run.array?[0].integer ?? run.integer, run.array?[1].integer ?? 1)
            return Array(repeating: try #require(id.flatMap { TokenID(exactly: $0) }), count: count)
        }
    }

    @Test("conversations give the same text, ids and boxes as PVIT's worker, or an error where it gives one")
    func goldens() throws {
        let json = try JSONValue(parsing: contents(of: FilePath(SharedFixtures.path("prompts.json"))))
        let records = try #require(json["records"]?.array)
        #expect(records.count == 79)
        let template = try ChatTemplate(
            BuiltInTemplate.vicuna.text, tokens: ["bos_token": "<s>", "eos_token": "</s>"])
        for record in records {
            let turns = try #require(record["turns"]?.array).compactMap(\.string)
            let messages = turns.enumerated().map { ChatMessage($0 % 2 == 0 ? .user : .assistant, $1) }
            let rendered = try template.render(messages)
            let text = rendered.text
            #expect(text == "<s>" + (record["prompt"]?.string ?? ""))
            let images = record["n_images"]?.integer ?? 0
            if record["error"] != nil {
                let error = #expect(throws: PVITError.self) { try prompt(text, images: images) }
                #expect(error?.code == .promptImages)
                continue
            }
            // PVIT's worker parses special tokens in messages; here only those of images and regions are.
            let forged = ["<s>", "</s>", "<unk>", "<im_patch>", "<im_start>", "<im_end>"]
            let isPlain = !turns.contains { turn in forged.contains { turn.contains($0) } }
            for (text, addsBOS) in [
                (PromptText(text), false), (PromptText(String(text.dropFirst(3))), true),
                (isPlain ? rendered : rendered.parsingSpecialTokens, false),
            ] {
                let prompt = try PVITPrompt(
                    text, imageCount: images, patchCount: 256, tokenizer: Self.tokenizer.get(),
                    addBOS: addsBOS)
                #expect(try prompt.tokens == tokens(#require(record["ids_rle"]?.array)), "\(text.text)")
                let boxes = (record["boxes_normalized"]?.array ?? []).map { ($0.array ?? []).compactMap(\.double) }
                let ours = prompt.regions.map { region in
                    [region.left, region.top, region.right, region.bottom].map { Double($0) / 1000 }
                }
                #expect(ours == boxes, "\(text.text)")
            }
        }
    }

    @Test("digits and white space are Python's, of every script")
    func unicode() {
        func locations(_ text: String) -> [RegionLocation] {
            RegionSyntax.matches(in: Array(text.unicodeScalars)).map(\.location)
        }
        let expected = [RegionLocation(left: 1, top: 23, right: 456, bottom: 7)]
        #expect(locations("<Region><L1><L23><L456><L7></Region>") == expected)
        #expect(locations("<Region><L١><L２３><L४५६><L𝟕></Region>") == expected)
        #expect(locations("<Region>\u{1C}<L1>\u{A0}\r\n<L23>\u{3000}<L456>\u{2028}<L7>\u{85}</Region>") == expected)
        for text in [
            "<Region><L1><L23><L456></Region>", "<Region><L1><L23><L456><L7><L8></Region>",
            "<region><L1><L2><L3><L4></region>",
            "<Region><L1> x<L23><L456><L7></Region>", "<Region><L²><L23><L456><L7></Region>",
            "<Region><L><L2><L3><L4></Region>",
            "<Region><L1><L2><L3><L4>\u{200B}</Region>", "<Region><L1><L2><L3><L4>", "<Region", "",
        ] {
            #expect(locations(text).isEmpty, "\(text)")
        }
        #expect(locations("<Region><Region><L1><L23><L456><L7></Region></Region>") == expected)
        #expect(locations("<<Region><L1><L23><L456><L7></Region>\u{301}") == expected)
    }

    @Test("the image and each region have their positions after their tags")
    func positionsOfTags() throws {
        let text = "<image>\nIs <Region><L1><L2><L3><L4></Region> or <Region><L5><L6><L70><L80></Region> red?"
        let (prompt, shown) = (try prompt(text), try positions(text))
        let image = try #require(shown.image)
        #expect(image.count == 256 && prompt.tokens[image].allSatisfy { $0.rawValue == 32000 })
        #expect(
            prompt.tokens[image.lowerBound - 1].rawValue == 32001 && prompt.tokens[image.upperBound].rawValue == 32002)
        #expect(shown.regions.map { prompt.tokens[$0 - 1].rawValue } == [32003, 32003])
        #expect(shown.regions.map { prompt.tokens[$0].rawValue } == [32000, 32000])
        let plain = try positions("No picture.", images: 0)
        #expect(plain.image == nil && plain.regions.isEmpty)
    }

    @Test(
        "regions that PVIT's code accepts but that make no sense are errors",
        arguments: [
            ("<image> <Region><L0><L0><L1001><L9></Region>", "beyond"),
            ("<image> <Region><L9><L0><L1><L9></Region>", "wrong order"),
            ("<image> <Region><L1><L9><L9><L0></Region>", "wrong order"),
            ("<image> <Region><L5><L5><L5><L9></Region>", "empty"),
            ("<image> <Region><L12345><L2><L3><L4></Region>", "four locations"),
            ("<image> <Region>left half</Region>", "four locations"), ("<image> <Region>", "four locations"),
            ("<image> </Region>", "four locations"),
            ("<image> </Region> <Region><L1><L2><L3><L4></Region>", "four locations"),
            ("<image> <Region> and <Region><L1><L2><L3><L4></Region>", "four locations"),
        ])
    func badRegions(text: String, words: String) {
        let error = #expect(throws: PVITError.self) { try positions(text) }
        #expect(error?.code == .promptRegion && error?.what.contains(words) == true, "\(error?.what ?? "")")
    }

    @Test("there must be one <image> for each image, and regions need an image")
    func counts() throws {
        for (text, images) in [("<image><image>", 1), ("none", 1), ("<image>", 0), ("<image>", 2)] {
            let error = #expect(throws: PVITError.self) { try prompt(text, images: images) }
            #expect(error?.code == .promptImages)
        }
        for (text, images) in [("<image> <im_start>", 1), ("<im_end>", 0), ("<im_start><im_end>", 0)] {
            let error = #expect(throws: PVITError.self) { try positions(text, images: images) }
            #expect(error?.code == .promptImages)
        }
        let error = #expect(throws: PVITError.self) { try positions("<Region><L1><L2><L3><L4></Region>", images: 0) }
        #expect(error?.code == .promptRegion && error?.what.contains("no image") == true)
    }

    @Test("a text that is too long loses its beginning, but never cuts into an image or a region")
    func cutting() throws {
        let special = try #require(PVITTokens(of: Self.tokenizer.get()))
        let whole = try prompt(String(repeating: "word ", count: 100) + "<image> <Region><L1><L2><L3><L4></Region>")
        let imageStart = try #require(whole.tokens.firstIndex(of: special.imageStart))
        for cut in [0, 1, 50, imageStart] {
            var prompt = whole
            try prompt.cut(toFit: whole.tokens.count - cut + 64 + 8, answerCount: 64, special)
            #expect(prompt.tokens == Array(whole.tokens[cut...]) && prompt.cutTokenCount == cut)
        }
        var prompt = whole
        let error = #expect(throws: PVITError.self) {
            try prompt.cut(toFit: whole.tokens.count - imageStart - 1 + 72, answerCount: 64, special)
        }
        #expect(error?.code == .promptTooLong)
    }
}
