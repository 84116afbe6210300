import Architectures
import Compute
import Container
import LanguageModel
import Platform
import Storage
import SystemPackage
import Tensors
import Tokenization

/// The file of a small model that guesses how the answers of another one continue. Nothing but its index was read.
package struct DraftFile: Sendable, Hashable {
    /// The file.
    package let container: Container
    /// The sizes and constants of the decoder.
    package let configuration: LlamaConfiguration

    /// Opens a container.
    ///
    /// - Throws: What `Container` and `LlamaConfiguration` throw.
    package init(opening path: FilePath) throws {
        do {
            container = try Container(opening: path)
            configuration = try LlamaConfiguration(of: container)
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }

    /// The same open file.
    package static func == (left: DraftFile, right: DraftFile) -> Bool { left.container === right.container }

    /// Identifies the open file.
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(container)) }

    /// Checks that the tokens of both models mean the same. One of them may have further tokens.
    ///
    /// - Throws: `draft.vocabulary`; what the tokenizer's files throw.
    func checkVocabulary(of model: LoadedModel) throws {
        let files = try TokenizerFiles(of: container, container.metadata)
        guard try files != TokenizerFiles(of: model.container, model.container.metadata) else { return }
        let (ours, theirs) = (try Tokenizer(files: files), model.tokenizer)
        let count = min(ours.vocabularySize, theirs.vocabularySize)
        let isSame = (0..<count).allSatisfy { number in
            let id = TokenID(rawValue: Int32(number))
            return ours.piece(of: id) == theirs.piece(of: id)
        }
        guard isSame else {
            throw PVITError(
                .draftVocabulary, "the draft model has another vocabulary than the model", file: container.path,
                remedy: "give a smaller model of the same family, or the same model in q4")
        }
    }
}

/// A token that a draft model has drawn, and what from.
struct GuessedToken {
    let token: TokenID
    let distribution: TokenDistribution
    /// The largest probability before filters and temperature: how sure the draft model is.
    let confidence: Double
}

/// A small model that guesses how an answer continues. It reads the text alone, without an image.
final class DraftModel {
    private let llama: Llama
    private var cache: KVCache
    /// The content of the cache.
    private var read: [TokenID] = []
    /// The number of tokens that both models have.
    private let vocabularySize: Int
    /// The size of its weights relative to those of the model.
    let relativeCost: Double

    /// Opens a draft model beside a model, whose threads it uses.
    ///
    /// - Parameter contextLength: The maximum number of positions.
    /// - Throws: `draft.vocabulary` if the models have different vocabularies; what `Llama` throws; `model.cache`.
    init(_ file: DraftFile, for model: LoadedModel, contextLength: Int) throws {
        let (configuration, container, plan) = (file.configuration, file.container, model.memoryPlan)
        do {
            try file.checkVocabulary(of: model)
            var weights = MemoryPlan.Residency.mapped
            if let plan, plan.isTight {
                container.dropPagesAfterUse()
                weights =
                    try MemoryPlan.draftResidency(of: configuration, in: container, room: plan.draftByteCount)
                    ?? .mapped
            }
            llama = try Llama(
                configuration, in: container, engine: model.llama.engine, weights: weights,
                batchSize: MemoryPlan.DraftRequest.batchSize, logitsRowCount: 1)
            cache = try KVCache(
                for: configuration, storage: MemoryPlan.DraftRequest.cacheStorage(configuration),
                capacity: contextLength)
            let size = try MemoryPlan.draftByteCount(of: configuration, in: container)
            let whole = try MemoryPlan.draftByteCount(of: model.llama.configuration, in: model.container)
            relativeCost = Double(size) / Double(max(whole, 1))
            // Of what was read to open the models, little is needed again.
            if let plan, plan.isTight { for file in [container, model.container] { file.releasePages() } }
        } catch let error as PVITError {
            throw error.located(file: container.path)
        }
        vocabularySize = min(configuration.vocabularySize, model.llama.configuration.vocabularySize)
    }

    /// Guesses how a text continues.
    ///
    /// - Parameters:
    ///   - context: The tokens that the model has read, followed by the one drawn last.
    ///   - history: Prompt and answer, which penalties count.
    ///   - room: The maximum number of guesses.
    ///   - sampler: Draws the guesses.
    ///   - pace: Tells how many guesses pay.
    /// - Throws: Errors of model and sampler.
    func guesses(
        after context: [TokenID], history: [TokenID], promptCount: Int, room: Int, _ sampler: inout Sampler,
        _ pace: inout DraftPace
    ) throws -> [GuessedToken] {
        let text = context.filter { (0..<llama.configuration.vocabularySize).contains(Int($0.rawValue)) }
        let limit = min(room, cache.capacity - text.count, pace.limit)
        guard limit > 0, !text.isEmpty, pace.begins() else { return [] }
        truncate(to: zip(read, text.dropLast()).prefix { $0 == $1 }.count)
        var input = Array(text[read.count...])
        var history = history
        var guesses: [GuessedToken] = []
        while guesses.count < limit {
            let start = MonotonicTime.now
            var next: (distribution: TokenDistribution, confidence: Double)?
            do {
                try llama.forward(.tokens(input), cache: &cache) { _, logits in
                    let shared = logits.extracting(0..<vocabularySize)
                    next = (
                        try sampler.distribution(logits: shared, history: history, promptCount: promptCount),
                        TokenDistribution.largestProbability(shared)
                    )
                }
            } catch {
                truncate(to: read.count)
                throw error
            }
            read += input
            pace.recordStep(of: input.count, MonotonicTime.now - start)
            guard let next, pace.includes(confidence: next.confidence) else { break }
            let token = sampler.draw(from: next.distribution)
            guesses.append(
                GuessedToken(token: token, distribution: next.distribution, confidence: next.confidence))
            guard pace.continues() else { break }
            history.append(token)
            input = [token]
        }
        return guesses
    }

    private func truncate(to count: Int) {
        cache.truncate(to: count)
        read.removeLast(read.count - min(count, read.count))
    }
}

extension PVITError.Code {
    /// A draft model has another vocabulary than the model.
    public static let draftVocabulary = Self("draft.vocabulary", .usage)
}
