import CPVIT
import LanguageModel
import Platform
import PVITModel
import Storage

/// An answer that is generated step by step.
final class AnswerObject: HandleObject, @unchecked Sendable {
    static let kind = "answer"
    let model: ModelObject
    // Only touched while `model` is used.
    var generation: Generation
    var session: AnswerSession?

    init(_ generation: Generation, of model: ModelObject, _ session: AnswerSession?) {
        self.generation = generation
        self.model = model
        self.session = session
    }
}

/// `pvit_answer_begin`, which pvit.h describes.
@c @implementation
public func pvit_answer_begin(
    _ model: OpaquePointer?, _ request: OpaquePointer?, _ options: OpaquePointer?,
    _ answer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(answer, error) {
        let model = try object(model, ModelObject.self)
        let request = try object(request, RequestObject.self).copy
        var reader = try OptionReader(options)
        let session = try reader.path("session")
        let options = try GenerationOptions(reader)
        let resolved = try request.resolved(for: model)
        return try model.use { content in
            let generator = content.generator
            let session = try session.map { try AnswerSession($0, apartFrom: content.generator.inputs) }
            let generation =
                switch resolved {
                case .messages(let messages): try generator.begin(messages, image: request.image?.image, options)
                case .text(let text): try generator.begin(text: text, image: request.image?.image, options)
                case .tokens(let tokens): try generator.begin(tokens: tokens, options)
                }
            return AnswerObject(generation, of: model, session)
        }
    }
}

extension GenerationOptions {
    /// - Throws: `library.option`, `sampling.option`.
    fileprivate init(_ options: OptionReader) throws {
        var options = options
        var sampling = SamplingOptions(seed: UInt64.random(in: 0...UInt64.max))
        let maximumTokens = try options.integer("max-tokens", 0...Int.max)
        sampling.temperature = try options.number("temperature") ?? sampling.temperature
        sampling.topK = try options.integer("top-k", 0...Int.max) ?? sampling.topK
        sampling.topP = try options.number("top-p") ?? sampling.topP
        sampling.minP = try options.number("min-p") ?? sampling.minP
        sampling.repetitionPenalty = try options.number("repetition-penalty") ?? sampling.repetitionPenalty
        sampling.presencePenalty = try options.number("presence-penalty") ?? sampling.presencePenalty
        sampling.frequencyPenalty = try options.number("frequency-penalty") ?? sampling.frequencyPenalty
        sampling.seed = try options.bits("seed") ?? sampling.seed
        let stops = options.texts("stop")
        let speculation = try options.integer("speculate", 1...64)
        let overflow = try options.choice("overflow", ContextOverflow.self) ?? .stop
        try options.finish()
        guard !stops.contains("") else {
            throw PVITError(.option, "the option \"stop\" takes a text that is not empty")
        }
        try sampling.check()
        self.init(
            maximumTokens: maximumTokens, sampling: sampling, stops: stops, speculation: speculation,
            overflow: overflow)
    }
}

/// `pvit_answer_next`, which pvit.h describes.
@c @implementation
public func pvit_answer_next(
    _ answer: OpaquePointer?, _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ piece: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(piece, error) {
        let answer = try object(answer, AnswerObject.self)
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        return try answer.model.use(watch) { content in
            guard !answer.generation.isFinished else {
                try answer.session?.check()
                return nil
            }
            try answer.session?.read(into: content.generator)
            content.generator.onPrefill = { step in
                if case .tokens(let done, let total) = step {
                    watch.report(done: UInt64(clamping: done), total: UInt64(clamping: total))
                }
            }
            defer { content.generator.onPrefill = { _ in } }
            let text = try content.generator.advance(&answer.generation)
            if answer.generation.isFinished {
                answer.session?.write(content.generator)
                answer.generation.result.losses.forEach(Log.note)
            }
            return TextObject(text)
        }
    }
}

/// `pvit_answer_tokens`, which pvit.h describes.
@c @implementation
public func pvit_answer_tokens(
    _ answer: OpaquePointer?, _ tokens: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(tokens, error) {
        let answer = try object(answer, AnswerObject.self)
        return try answer.model.use { _ in try ArrayObject(answer.generation.result.tokens) }
    }
}

/// `pvit_answer_describe`, which pvit.h describes.
@c @implementation
public func pvit_answer_describe(
    _ answer: OpaquePointer?, _ json: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(json, error) {
        let answer = try object(answer, AnswerObject.self)
        return try answer.model.use { TextObject(.object(answer.generation.result.json(of: $0.model))) }
    }
}

/// `pvit_answer_free`, which pvit.h describes.
@c @implementation
public func pvit_answer_free(_ answer: OpaquePointer?) { HandleTable.current.remove(answer, AnswerObject.self) }
