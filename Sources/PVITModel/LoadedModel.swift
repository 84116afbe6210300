import Architectures
import Compute
import Container
import LanguageModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// A model from a container: weights, tokenizer and template, ready to use.
public final class LoadedModel {
    /// The file.
    public let container: Container
    /// The decoder.
    public let llama: Llama
    /// The tokenizer.
    public let tokenizer: Tokenizer
    /// The tokens that show images and regions, of a PVIT model.
    public let pvitTokens: PVITTokens?
    /// What sees images, of a PVIT model whose container has a vision tower.
    public let vision: PVITVision?
    /// The tokens that end a text, by the model's configurations and its tokenizer.
    public let endTokens: Set<TokenID>
    /// How long opening took.
    public let loadTime: Duration
    /// How memory is shared out; nil when the model was opened without a thought of it.
    public let memoryPlan: MemoryPlan?
    /// Whether special tokens that messages spell become what they spell. Text from strangers could give the model
    /// orders that way, so by default only the template's own do.
    public var recognisesSpecialInMessages = false
    private var template: Result<ChatTemplate, any Error>
    /// The special tokens by the names that templates have for them.
    private let tokenNames: [String: String]

    /// Opens a container.
    ///
    /// - Parameters:
    ///   - engine: What computes.
    ///   - memory: What the process may take in all; without it weights are used from the mapped file.
    /// - Throws: What `Container`, `LlamaConfiguration`, `Llama` and `Tokenizer` throw; `model.config` when the
    ///   container has no configuration; `memory.budget` when it cannot run in that memory.
    public init(opening path: FilePath, engine: ComputeEngine, memory: MemoryRequest? = nil) throws {
        let clock = ContinuousClock()
        let start = clock.now
        let container = try Container(opening: path)
        do {
            let metadata = try container.metadata
            let config = try container.modelConfig
            let configuration = try LlamaConfiguration(of: container)
            let files = try TokenizerFiles(of: container, metadata)
            let tokenizer = try Tokenizer(files: files)
            self.tokenizer = tokenizer
            let plan = try memory?.plan(for: configuration, in: container, threadCount: engine.threadCount)
            memoryPlan = plan
            llama = try Llama(
                configuration, in: container, engine: engine,
                weights: plan?.weights ?? .mapped, batchSize: plan?.batchSize)
            let pvitTokens = PVITConfiguration.isPVIT(config) ? PVITTokens(of: tokenizer) : nil
            self.pvitTokens = pvitTokens
            vision =
                pvitTokens == nil
                ? nil : try PVITVision(config, hidden: configuration.hiddenSize, in: container, engine: engine)
            endTokens = Self.endTokens(tokenizer, configuration, metadata)
            let tokenNames = Self.tokenNames(metadata, tokenizer)
            self.tokenNames = tokenNames
            template = Result { try Self.template(metadata, config, tokenNames) }
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        self.container = container
        loadTime = clock.now - start
    }

    /// How conversations are put to the model.
    ///
    /// - Throws: `chat.template` when the model has no template, or one that cannot be read.
    public var chatTemplate: ChatTemplate {
        get throws { try template.get() }
    }

    /// Puts conversations to the model by another template than its own.
    ///
    /// - Throws: `chat.template` when the text is no Jinja template.
    public func useChatTemplate(_ text: String) throws {
        template = .success(try ChatTemplate(text, tokens: tokenNames))
    }

    /// How an answer in a conversation is made: it ends where the template ends a turn, too.
    ///
    /// - Throws: `chat.template`.
    func turn(_ options: GenerationOptions) throws -> (options: GenerationOptions, ends: Set<TokenID>) {
        let stops = try chatTemplate.stopTexts
        var options = options
        options.stops += stops
        return (options, endTokens.union(stops.compactMap { tokenizer.id(ofAddedToken: $0) }))
    }

    /// Checks that the model can read tokens: a tokenizer may have more of them than the embeddings have rows, such as
    /// a `<pad>` that was only ever needed for training.
    ///
    /// - Throws: `model.token`.
    public func check(_ tokens: some Sequence<TokenID>) throws {
        let rows = llama.configuration.vocabularySize
        guard let token = tokens.first(where: { !(0..<rows).contains(Int($0.rawValue)) }) else { return }
        guard let piece = tokenizer.piece(of: token) else {
            throw PVITError(.modelToken, "token \(token) is not in the vocabulary of \(rows)")
        }
        throw PVITError(
            .modelToken,
            "the text has the token \"\(piece)\", number \(token), but the model's embeddings have only \(rows) rows",
            remedy: tokenizer.tokensBeforeText.contains(token)
                ? "the tokenizer puts it before every text; say \"add_bos_token\": false in tokenizer_config.json and convert "
                    + "the model again" : "leave it out of the text")
    }

    private static func endTokens(
        _ tokenizer: Tokenizer, _ configuration: LlamaConfiguration, _ metadata: JSONObject
    ) -> Set<TokenID> {
        var result = Set(configuration.eosTokens)
        if let end = tokenizer.eosToken { result.insert(end) }
        let generation = metadata["model.generation_config"]?["eos_token_id"]
        for value in generation?.array ?? [generation].compactMap(\.self) {
            if let id = value.integer.flatMap({ TokenID(exactly: $0) }) { result.insert(id) }
        }
        return result
    }

    private static func template(
        _ metadata: JSONObject, _ config: JSONObject, _ tokenNames: [String: String]
    ) throws -> ChatTemplate {
        if let text = metadata["chat.template"]?.string { return try ChatTemplate(text, tokens: tokenNames) }
        // LLaVA's first family of checkpoints, PVIT among them, has its template in code only.
        if PVITConfiguration.isPVIT(config), config["mm_vision_tower"]?.string != nil {
            return try ChatTemplate(BuiltInTemplate.vicuna.text, tokens: tokenNames)
        }
        throw PVITError(
            .chatTemplate, "the model has no chat template",
            remedy:
                "name one with --chat-template NAME|FILE (\(BuiltInTemplate.names), or a file in Jinja), or use --raw "
                + "to give the model a text as it is")
    }

    private static func tokenNames(_ metadata: JSONObject, _ tokenizer: Tokenizer) -> [String: String] {
        var result: [String: String] = [:]
        for name in ["unk_token", "pad_token", "sep_token", "cls_token", "mask_token"] {
            for key in ["tokenizer.special_tokens_map", "tokenizer.config"] {
                guard let value = metadata[key]?[name], let text = value.string ?? value["content"]?.string else {
                    continue
                }
                result[name] = text
            }
        }
        result["bos_token"] = tokenizer.bosToken.flatMap { tokenizer.piece(of: $0) } ?? ""
        result["eos_token"] = tokenizer.eosToken.flatMap { tokenizer.piece(of: $0) } ?? ""
        return result
    }
}

extension TokenizerFiles {
    /// The tokenizer files that travel in a container.
    public init(of container: Container, _ metadata: JSONObject) throws {
        self.init(
            tokenizerJSON: try container.attachment("tokenizer.json"),
            sentencePieceModel: try container.attachment("tokenizer.model"),
            config: metadata["tokenizer.config"]?.object,
            specialTokensMap: metadata["tokenizer.special_tokens_map"]?.object,
            addedTokens: metadata["tokenizer.added_tokens"]?.object)
    }
}
