import LanguageModel
import PVITModel
import Storage

/// The body of `/worker_generate_stream`, as the workers of PVIT and LLaVA read it.
struct WorkerRequest: Sendable {
    /// The whole text, template included.
    let prompt: String
    private let images: [[UInt8]]
    private let options: GenerationOptions

    /// The limits and the defaults of PVIT's worker.
    private static let defaultTokens = 256
    private static let maximumTokens = 1024
    /// Below this temperature, PVIT's worker decodes greedily.
    private static let greedyTemperature = 1e-4

    /// - Throws: A `ServiceError`.
    init(_ request: RequestObject) throws {
        guard let prompt = try request.string("prompt") else { throw request.invalid("prompt", "is missing") }
        self.prompt = prompt
        images = try (request.array("images") ?? []).enumerated().map { index, value in
            guard let text = value.string, let bytes = ImageURL.decode(base64: text[...]), !bytes.isEmpty else {
                throw request.invalid("images[\(index)]", "is not a picture in base64")
            }
            return bytes
        }
        let temperature = try request.number("temperature", in: 0...Double.greatestFiniteMagnitude) ?? 1
        let count = try request.integer("max_new_tokens", in: 0...Int.max) ?? Self.defaultTokens
        var sampling = SamplingOptions(
            temperature: temperature < Self.greedyTemperature ? 0 : temperature,
            seed: try request.integer("seed", in: 0...Int.max).map { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max))
        try sampling.readTopP(request)
        options = GenerationOptions(
            maximumTokens: min(count, Self.maximumTokens), sampling: sampling,
            stops: try (request.strings("stop") ?? []).filter { !$0.isEmpty })
    }

    /// What to compute. A prompt that is too long loses its beginning.
    ///
    /// - Throws: `prompt.*`, `image.*`, `model.no-vision`, `model.context-full`.
    func task(_ facts: ModelFacts, _ cache: ImageCache) throws -> AnswerTask {
        guard images.count <= 1 else {
            throw PVITError(.promptImages, "there are \(images.count) images, but a prompt can have only one")
        }
        let image = try images.first.map { try cache.image(.bytes($0), facts.prompts) }
        let room = PromptRoom(contextLength: facts.contextLength, answerCount: options.maximumTokens ?? 0)
        let made = try facts.prompts.prompt(ofRaw: prompt, image: image, room: room)
        try facts.checkRoom(for: made)
        return AnswerTask(prompt: made, options: options, ends: facts.prompts.endTokens)
    }
}
