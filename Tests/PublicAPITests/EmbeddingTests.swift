import CheckpointTestSupport
import ModelTestSupport
import PVITModel
import TestSupport
import Testing

/// A program that embeds the library. Package.swift gives this target no package access: it sees what is public.
@Suite("The library as other programs see it", .enabled(if: PreparedModel.isPossible, "run tools/fixtures first"))
struct EmbeddingTests {
    private let options = GenerationOptions(maximumTokens: 8)

    private func model() async throws -> Model {
        try await Model(PreparedModel.path(), options: Model.Options(threadCount: 2, contextLength: 512))
    }

    @Test("a program opens a model, asks about a region of an image, and receives the answer while it is made", .slow)
    func region() async throws {
        let model = try await model()
        #expect(model.readsImages && model.readsRegions && model.contextLength == 512)
        let image = try model.image(contentsOf: PreparedModel.photograph)
        let region = try NamedRegion("left", left: 0.1, top: 0.1, right: 0.5, bottom: 0.5)
        let answer = model.answer(to: "What is {left}?", about: image, regions: [region], options: options)
        var pieces: [String] = []
        for try await piece in answer { pieces.append(piece) }
        let result = try await answer.result
        #expect(pieces.joined() == result.text && pieces.count > 1)
        #expect(!result.tokens.isEmpty && result.tokens.count <= 8)
        #expect(result.visionTime > .zero && result.stopReason == .length)
    }

    @Test("answers that tasks ask for at the same time are those that go alone")
    func tasks() async throws {
        let model = try await model()
        let texts = ["One two", "Three"]
        var alone: [String] = []
        for text in texts { alone.append(try await model.completion(of: text, options: options).text()) }
        let together = try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for (number, text) in texts.enumerated() {
                group.addTask { [options] in (number, try await model.completion(of: text, options: options).text()) }
            }
            return try await group.reduce(into: ["", ""]) { $0[$1.0] = $1.1 }
        }
        #expect(together == alone)
    }

    @Test("a loop that is left stops the work, and another one goes on from there")
    func resuming() async throws {
        let model = try await model()
        let whole = try await model.completion(of: "One two", options: options).text()
        let answer = model.completion(of: "One two", options: options)
        var text = ""
        for try await piece in answer {
            text += piece
            break
        }
        #expect(try await answer.result.tokens.count < 8)
        #expect(try await text + answer.text() == whole)
    }

    @Test("cancelling a task ends its computation with CancellationError, and the model goes on", .slow)
    func cancellation() async throws {
        let model = try await model()
        let image = try model.image(contentsOf: PreparedModel.photograph)
        let task = Task {
            while true { _ = try await model.embeddings(of: image) }
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await !model.completion(of: "One two", options: options).text().isEmpty)
    }

    @Test("logits of a text, of its tokens, and at the first token of the answer agree")
    func logits() async throws {
        let model = try await model()
        let tokens = model.tokens(of: "One two")
        let logits = try await model.logits(of: "One two")
        #expect(logits.rowCount == tokens.count && logits.columnCount == model.vocabularySize)
        #expect(try await model.logits(of: tokens) == logits)
        let last = logits[tokens.count - 1]
        let best = try #require(last.indices.max { last[$0] < last[$1] }) - last.startIndex
        let answer = model.completion(of: tokens, options: GenerationOptions(maximumTokens: 1))
        _ = try await answer.text()
        #expect(try await answer.result.tokens == [TokenID(rawValue: Int32(best))])
        #expect(try model.text(of: tokens) == "One two")
    }

    @Test("regions have features of their own")
    func embeddings() async throws {
        let model = try await model()
        let image = try model.image(contentsOf: PreparedModel.photograph)
        let regions = [
            try NamedRegion("a", left: 0, top: 0.2, right: 0.5, bottom: 0.9),
            try NamedRegion("b", left: 0, top: 0, right: image.size.width, bottom: image.size.height),
        ]
        let result = try await model.embeddings(of: regions, in: image)
        #expect(result.features.rowCount == 2 && result.embeddings.rowCount == 2)
        #expect(result.embeddings[0] != result.embeddings[1])
    }

    @Test("errors have stable codes")
    func errors() async throws {
        let error = await #expect(throws: PVITError.self) { try await Model("absent.pvq") }
        #expect(error?.code.name == "file.not-found" && error?.code.category == .missingInput)
        let model = try await model()
        let region = try NamedRegion("left", left: 0.1, top: 0.1, right: 0.5, bottom: 0.5)
        let lost = await #expect(throws: PVITError.self) {
            try await model.answer(to: "What is it?", regions: [region]).text()
        }
        #expect(lost?.code.name == "prompt.region")
    }

    @Test("a session never replaces the file of the model, and a misspelt template is an error")
    func inputs() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("model.pvq", contents(of: PreparedModel.path()))
        let model = try await Model(path, options: Model.Options(threadCount: 1, contextLength: 64))
        let kept = await #expect(throws: PVITError.self) { _ = try await model.writeSession(path) }
        #expect(kept?.code.name == "file.output-is-input")
        let (after, before) = try (contents(of: path), contents(of: PreparedModel.path()))
        #expect(after == before)
        var options = Model.Options(threadCount: 1)
        options.chatTemplate = "vicunna"
        let misspelling = options
        let misspelt = await #expect(throws: PVITError.self) { _ = try await Model(path, options: misspelling) }
        #expect(misspelt?.code.name == "chat.template")
    }
}
