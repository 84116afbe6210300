import TestSupport
import ModelTestSupport
import PVITModel
import SystemPackage
import Testing

/// A program that embeds the library. Package.swift gives this target no package access: it sees what is public.
@Suite("The library as other programs see it", .enabled(if: PreparedModel.isPossible, "run tools/fixtures first"))
struct EmbeddingTests {
    @Test("a program opens a model, asks about a region of an image, and receives the answer while it is made", .slow)
    func region() throws {
        let engine = try ComputeEngine(threadCount: 2)
        let model = try LoadedModel(opening: PreparedModel.path(), engine: engine, memory: MemoryRequest())
        let image = try model.image(contentsOf: PreparedModel.photograph)
        let region = try NamedRegion(parsing: "left=0.1,0.1,0.5,0.5")
        let (request, unused) = try NamedRegion.insert([region], into: "What is {left}?", size: image.size)
        #expect(unused.isEmpty)
        var received = ""
        let result = try Generator(model).answer(
            [ChatMessage(.user, request)], image: image, GenerationOptions(maximumTokens: 8)
        ) { received += $0 }
        #expect(received == result.text && !result.tokens.isEmpty && result.tokens.count <= 8)
        #expect(result.regions.count == 1 && result.visionTimings.total > .zero)
    }

    @Test("several requests share passes, and each gets the answer that it gets alone", .slow)
    func pool() throws {
        let model = try LoadedModel(opening: PreparedModel.path(), engine: ComputeEngine(threadCount: 2))
        let options = GenerationOptions(maximumTokens: 6, sampling: SamplingOptions(temperature: 0))
        let texts = ["One.", "Two, please."]
        var answers: [Int: String] = [:]
        let pool = try AnswerPool(model, count: 2)
        var requests = texts.enumerated().map {
            PoolRequest(number: $0, messages: [ChatMessage(.user, $1)], options: options)
        }
        try pool.answer(next: { requests.isEmpty ? nil : requests.removeFirst() }) { number, answer in
            answers[number] = try answer.get().text
        }
        for (number, text) in texts.enumerated() {
            let alone = try Generator(model).answer([ChatMessage(.user, text)], options)
            #expect(answers[number] == alone.text)
        }
    }

    @Test("errors have stable codes")
    func errors() throws {
        let engine = try ComputeEngine(threadCount: 1)
        let error = #expect(throws: PVITError.self) { try LoadedModel(opening: "absent.pvq", engine: engine) }
        #expect(error?.code.name == "file.not-found" && error?.code.category == .missingInput)
    }
}
