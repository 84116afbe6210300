import Architectures
import Compute
import Container
import LanguageModel
import Platform
import Storage
import SystemPackage
import Tensors
import Tokenization

/// An open model: the weights, tokenizer and chat template of a container.
package final class LoadedModel {
    /// The file.
    package let container: Container
    /// The decoder.
    package let llama: Llama
    /// Turns conversations, texts and images into prompts.
    package internal(set) var prompts: PromptBuilder
    /// The tokenizer.
    package var tokenizer: Tokenizer { prompts.tokenizer }
    /// The tokens that stand for images and regions; nil if this is not a PVIT model.
    package var pvitTokens: PVITTokens? { prompts.pvitTokens }
    /// The image encoders; nil unless this is a PVIT model whose container has a vision tower.
    package let vision: PVITVision?
    /// The EOS tokens: those of the model's configuration, its generation configuration and its tokenizer.
    package var endTokens: Set<TokenID> { prompts.endTokens }
    /// The time that opening took.
    package let loadTime: Duration
    /// The memory plan; nil if the model was opened without a memory request.
    package let memoryPlan: MemoryPlan?

    /// Opens a container.
    ///
    /// - Parameters:
    ///   - path: The `.pvq` file.
    ///   - engine: The engine to compute with.
    ///   - memory: The memory that the process may use. nil uses the weights from the mapped file, without a plan.
    /// - Throws: What `Container`, `LlamaConfiguration`, `Llama` and `Tokenizer` throw; `model.config` if the container
    ///   has no configuration; `memory.budget` if the model cannot run in that memory.
    package init(opening path: FilePath, engine: ComputeEngine, memory: MemoryRequest? = nil) throws {
        let start = MonotonicTime.now
        let container = try Container(opening: path)
        do {
            let metadata = try container.metadata
            let config = try container.modelConfig
            let configuration = try LlamaConfiguration(of: container)
            let files = try TokenizerFiles(of: container, metadata)
            let tokenizer = try Tokenizer(files: files)
            let plan = try memory?.plan(for: configuration, in: container, threadCount: engine.threadCount)
            memoryPlan = plan
            llama = try Llama(
                configuration, in: container, engine: engine,
                weights: plan?.weights ?? .mapped, batchSize: plan?.batchSize,
                logitsRowCount: plan?.logitsRowCount ?? Llama.largestLogitsBlock)
            let pvitTokens = PVITConfiguration.isPVIT(config) ? PVITTokens(of: tokenizer) : nil
            vision =
                pvitTokens == nil
                ? nil : try PVITVision(config, hiddenSize: configuration.hiddenSize, in: container, engine: engine)
            let tokenNames = Self.tokenNames(metadata, tokenizer)
            prompts = PromptBuilder(
                tokenizer: tokenizer, pvitTokens: pvitTokens, images: vision?.inputs,
                endTokens: Self.endTokens(tokenizer, configuration, metadata),
                vocabularySize: configuration.vocabularySize, decodingByteCount: plan?.decodingByteCount,
                container: path, tokenNames: tokenNames,
                template: Result { try Self.template(metadata, config, tokenNames) })
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        // Of what was read to open the model, little is needed again.
        if let memoryPlan, memoryPlan.isTight { container.releasePages() }
        self.container = container
        loadTime = MonotonicTime.now - start
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
        // The first LLaVA checkpoints, and PVIT, have their template only in code.
        if PVITConfiguration.isPVIT(config), config["mm_vision_tower"]?.string != nil {
            return try ChatTemplate(BuiltInTemplate.vicuna.text, tokens: tokenNames)
        }
        throw PVITError(
            .chatTemplate, "the model has no chat template",
            remedy:
                "choose one with --chat-template NAME|FILE (\(BuiltInTemplate.names), or a Jinja file), or "
                + "use --raw to continue a text without a template")
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
    /// The tokenizer files in a container.
    package init(of container: Container, _ metadata: JSONObject) throws {
        self.init(
            tokenizerJSON: try container.attachment("tokenizer.json"),
            sentencePieceModel: try container.attachment("tokenizer.model"),
            config: metadata["tokenizer.config"]?.object,
            specialTokensMap: metadata["tokenizer.special_tokens_map"]?.object,
            addedTokens: metadata["tokenizer.added_tokens"]?.object)
    }
}
