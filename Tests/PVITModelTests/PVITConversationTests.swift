import CheckpointTestSupport
import Compute
import LanguageModel
import ModelTestSupport
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization
import Vision

@testable import PVITModel

@Suite("Conversations about an image", .slow, .needsFixtures)
struct PVITConversationTests {
    private static let region = "<Region><L100><L120><L600><L900></Region>"
    private let options = GenerationOptions(maximumTokens: 4)

    private func image(_ name: String = "0024-multi-turn") throws -> PreparedImage {
        try PVITFile.model().image(#require(try PVITCase(name).decodedImage()))
    }

    @Test("a second message about the same image reuses its encoding and gives the same answer")
    func secondMessage() throws {
        let image = try image()
        let generator = try PVITFile.generator()
        let first = [ChatMessage(.user, "<image>\nWhat is in \(Self.region)?")]
        let answer = try generator.answer(first, image: image, options)
        #expect(answer.visionTimings.image > .zero && answer.visionTimings.regions > .zero)
        #expect(answer.reusedTokenCount == 0)

        // The conversation continues: everything up to the answer is in the cache.
        let second = first + [ChatMessage(.assistant, "A dog."), ChatMessage(.user, "And where is \(Self.region)?")]
        let continued = try generator.answer(second, image: image, options)
        #expect(continued.visionTimings == VisionTimings())
        #expect(continued.reusedTokenCount >= answer.promptTokenCount)
        #expect(try continued.tokens == PVITFile.generator().answer(second, image: image, options).tokens)

        // Another conversation about the image, with a new region.
        let other = [ChatMessage(.user, "<image>\nIs it <Region><L0><L0><L500><L500></Region>?")]
        let another = try generator.answer(other, image: image, options)
        #expect(another.reusedTokenCount > 256 && another.visionTimings.image == .zero)
        #expect(another.visionTimings.regions > .zero)
        #expect(try another.tokens == PVITFile.generator().answer(other, image: image, options).tokens)
    }

    @Test("another image or region under the same tokens is not mistaken for the cached one")
    func sameTokens() throws {
        let generator = try PVITFile.generator()
        let messages = [ChatMessage(.user, "<image>\nWhat is in \(Self.region)?")]
        let moved = [ChatMessage(.user, "<image>\nWhat is in <Region><L400><L0><L900><L300></Region>?")]
        let (first, second) = (try image(), try image("0001-two-regions"))
        let shown = try generator.model.prompt(of: messages, image: first)
        let imageStart = try #require(shown.tokens.firstIndex { $0.rawValue == 32001 })
        let regionStart = try #require(shown.tokens.firstIndex { $0.rawValue == 32003 })
        let answers = try [(messages, first), (messages, second), (moved, second), (moved, first)].map {
            try generator.answer($0, image: $1, options)
        }
        #expect(answers.map(\.reusedTokenCount) == [0, imageStart + 1, regionStart + 1, imageStart + 1])
        // The encoding of the first image is still kept, though its keys and values are not.
        #expect(answers.map { $0.visionTimings.image > .zero } == [true, true, false, false])
        for (answer, (messages, image)) in zip(answers[1...], [(messages, second), (moved, second), (moved, first)]) {
            #expect(try answer.tokens == PVITFile.generator().answer(messages, image: image, options).tokens)
        }
    }

    @Test("without <image>, the image goes before the first message, as in PVIT's clients")
    func implicitImage() throws {
        let model = try PVITFile.model()
        let image = try image()
        let (message, answer) = ("What is in \(Self.region)?", ChatMessage(.assistant, "A dog."))
        let plain = [
            ChatMessage(.system, "Be brief."), ChatMessage(.user, message), answer, ChatMessage(.user, "Why?"),
        ]
        var marked = plain
        marked[1].content = "<image>\n\(message)"
        #expect(try model.prompt(of: plain, image: image).positions == model.prompt(of: marked, image: image).positions)
        // <image> may be in any message.
        let last = [ChatMessage(.user, "Hello"), answer, ChatMessage(.user, "See <image>")]
        #expect(try model.prompt(of: last, image: image).tokens.count { $0.rawValue == 32001 } == 1)
        let error = #expect(throws: PVITError.self) { try model.prompt(ofRaw: "no mark", image: image) }
        #expect(error?.code == .promptImages)
    }

    @Test("a long conversation loses its beginning, unless that would cut into the image")
    func tooLong() throws {
        let generator = try PVITFile.generator(context: 400)
        let words = String(repeating: "word ", count: 80)
        let text = try generator.answer([ChatMessage(.user, String(repeating: words, count: 5))], options)
        #expect(text.cutTokenCount > 0 && text.promptTokenCount == 400 - 4 - 8)
        let error = #expect(throws: PVITError.self) {
            try generator.answer([ChatMessage(.user, words + words)], image: image(), options)
        }
        #expect(error?.code == .promptTooLong)
    }

    @Test("more regions than fit the context are refused before anything is encoded, sliding or not")
    func manyRegions() throws {
        let generator = try PVITFile.generator(context: 400)
        let image = try image()
        func answer(_ count: Int, _ overflow: ContextOverflow) throws -> GenerationResult {
            let text = String(repeating: Self.region, count: count)
            let options = GenerationOptions(maximumTokens: 2, overflow: overflow)
            return try generator.answer([ChatMessage(.user, text)], image: image, options)
        }
        for overflow in ContextOverflow.allCases {
            // The image and its marks take 258 positions, each region three.
            let many = try #require(throws: PVITError.self) { try answer(48, overflow) }
            #expect(many.code == .promptTooLong && many.what.contains("48 regions"))
            #expect(many.what.contains("room for only 47"))
            // The regions alone fit, but not with the text around them.
            let few = try #require(throws: PVITError.self) { try answer(46, overflow) }
            #expect(few.code == .promptTooLong)
        }
        #expect(try answer(10, .slide).regions.count == 10)
    }

    @Test("regions of earlier messages may be dropped from the context, those of the last one may not")
    func slidingRegions() throws {
        let generator = try PVITFile.generator(context: 400)
        let image = try image()
        let options = GenerationOptions(maximumTokens: 2, overflow: .slide)
        let many = String(repeating: Self.region, count: 40)
        let last = ChatMessage(.user, "And \(Self.region)?")
        let turns = [ChatMessage(.user, many), ChatMessage(.assistant, "Yes."), last]
        let answer = try generator.answer(turns, image: image, options)
        #expect(answer.droppedTokenCount > 0 && answer.regions.count == 41)
        let words = String(repeating: "word ", count: 200)
        let error = #expect(throws: PVITError.self) {
            try generator.answer([ChatMessage(.user, "\(Self.region) \(words)")], image: image, options)
        }
        #expect(error?.code == .promptTooLong && error?.what.contains("would drop a region") == true)
    }

    @Test("a prompt has no more regions than there is memory for")
    func regionMemory() throws {
        let images = try #require(try PVITFile.model().vision).inputs
        // For each region 2 * 640 + 4 * 256 floats, in 128 MiB.
        #expect(images.maximumRegionCount == (128 << 20) / (4 * (2 * 640 + 4 * 256)))
        let image = try image()
        try images.checkRegions(count: images.maximumRegionCount, of: image)
        let error = #expect(throws: PVITError.self) {
            try images.checkRegions(count: images.maximumRegionCount + 1, of: image)
        }
        #expect(error?.code == .promptRegion)
    }

    @Test("a model that cannot read images gives an error with a remedy")
    func blind() throws {
        let image = try image()
        func error(_ model: LoadedModel, _ text: String) -> PVITError? {
            #expect(throws: PVITError.self) { try model.input(for: model.prompt(ofRaw: text, image: image)) }
        }
        let noTowers = error(try PVITFile.model(.none), "<image>")
        #expect(noTowers?.code == .modelNoVision && noTowers?.remedy?.contains("--vision-tower") == true)
        let visionOnly = try PVITFile.model(.visionOnly)
        #expect(try visionOnly.input(for: visionOnly.prompt(ofRaw: "<image>", image: image)).input.count == 259)
        let noRegions = error(visionOnly, "<image> \(Self.region)")
        #expect(noRegions?.code == .modelNoVision && noRegions?.remedy?.contains("--region-encoder") == true)
        let llama = try ModelFile.model("mini-llama-base-st")
        #expect(error(llama, "<image>")?.code == .modelNoVision)
        // Without an image, PVIT's special tokens are ordinary text there.
        #expect(try llama.prompt(ofRaw: "<image> \(Self.region)").tokens.count > 10)
    }
}
