import Architectures
import Compute
import CPVIT
import LanguageModel
import Platform
import PVITModel
import Storage
import Tensors

/// `pvit_model_open`, which pvit.h describes.
@c @implementation
public func pvit_model_open(
    _ path: UnsafePointer<CChar>?, _ options: OpaquePointer?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(model, error) {
        let path = try PVITLibrary.path(path, "the path")
        var options = try OptionReader(options)
        let memory = try options.size("memory")
        let threads = try options.integer("threads", 1...256) ?? MachineProcessors.available
        let length = try options.integer("context", 1...1 << 30)
        let storage = try options.choice("kv-cache", KVCache.Storage.self)
        let seesImages = try options.flag("images") ?? true
        let template = try options.text("chat-template")
        let parsesSpecial = try options.flag("parse-special") ?? false
        let draftPath = try options.path("draft")
        let kernels = try options.choice("kernels", InstructionSet.self)
        try options.finish()
        let watch = CallWatch(abort: abort, context: context)
        try watch.check()
        let draft = try draftPath.map { try DraftFile(opening: $0) }
        let checkpoint = ModelObject.Checkpoint()
        checkpoint.watch = watch
        let loaded = try LoadedModel(
            opening: path,
            engine: ComputeEngine(threadCount: threads, instructionSet: kernels, checkpoint: checkpoint.check),
            memory: MemoryRequest(
                limit: memory, contextLength: length, cacheStorage: storage, seesImages: seesImages,
                draft: draft))
        if let template { try loaded.useChatTemplate(namedOrText: template) }
        loaded.parsesSpecialTokensInMessages = parsesSpecial
        let generator = try Generator(loaded, contextLength: length, storage: storage, draft: draft)
        checkpoint.watch = nil
        try watch.check()
        for note in loaded.openingNotes(generator.contextLength, limit: memory) { Log.note(note) }
        return ModelObject(checkpoint, ModelObject.Content(model: loaded, generator: generator))
    }
}

extension LoadedModel {
    /// What a user should know after opening.
    fileprivate func openingNotes(_ contextLength: Int, limit: ByteCount?) -> [String] {
        var notes: [String] = []
        if let memoryPlan, limit != nil, memoryPlan.isContextShortened { notes.append(memoryPlan.contextNote) }
        if let note = llama.configuration.contextNote(length: contextLength) { notes.append(note) }
        return notes
    }
}

/// `pvit_model_close`, which pvit.h describes.
@c @implementation
public func pvit_model_close(_ model: OpaquePointer?) {
    HandleTable.current.remove(model, ModelObject.self)?.close()
}

/// `pvit_model_describe`, which pvit.h describes.
@c @implementation
public func pvit_model_describe(
    _ model: OpaquePointer?, _ json: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(json, error) {
        try object(model, ModelObject.self).use { TextObject(.object($0.model.description(of: $0.generator))) }
    }
}

extension LoadedModel {
    fileprivate func description(of generator: Generator) -> JSONObject {
        let configuration = llama.configuration
        return [
            "path": .string(container.path.readable),
            "model_digest": .string("\(container.modelDigest)"),
            "layers": .integer(configuration.layerCount),
            "hidden_size": .integer(configuration.hiddenSize),
            "vocabulary_size": .integer(configuration.vocabularySize),
            "trained_context": .integer(configuration.trainedPositions),
            "context": .integer(generator.contextLength),
            "threads": .integer(llama.engine.threadCount),
            "reads_images": .bool(prompts.images != nil),
            "reads_regions": .bool(prompts.images?.preparation.regions != nil),
            "patch_count": prompts.images.map { .integer($0.patchCount) } ?? .null,
            "bos_tokens": .array(tokenizer.tokensBeforeText.map { .integer(Int($0.rawValue)) }),
            "end_tokens": .array(endTokens.sorted().map { .integer(Int($0.rawValue)) }),
            "has_chat_template": .bool((try? chatTemplate) != nil),
            "memory_plan": memoryPlan?.json ?? .null,
            "load_s": .number(loadTime.seconds),
        ]
    }
}

/// `pvit_tokenize`, which pvit.h describes.
@c @implementation
public func pvit_tokenize(
    _ model: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int, _ options: OpaquePointer?,
    _ tokens: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(tokens, error) {
        let model = try object(model, ModelObject.self)
        let bytes = try buffer(text, length, "the text").map { UInt8(bitPattern: $0) }
        var options = try OptionReader(options)
        let isPlain = try options.flag("plain") ?? false
        let omitsBeginning = try options.flag("no-beginning") ?? false
        try options.finish()
        return try model.use { content in
            let tokenizer = content.model.tokenizer
            return try ArrayObject(
                isPlain || omitsBeginning
                    ? tokenizer.encode(bytes: bytes, addSpecial: !omitsBeginning, parseSpecial: !isPlain)
                    : tokenizer.encode(prompt: bytes))
        }
    }
}

/// `pvit_detokenize`, which pvit.h describes.
@c @implementation
public func pvit_detokenize(
    _ model: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int, _ options: OpaquePointer?,
    _ text: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(text, error) {
        let model = try object(model, ModelObject.self)
        let tokens = try tokenArray(tokens, count)
        var options = try OptionReader(options)
        let skipsSpecial = try options.flag("skip-special") ?? true
        try options.finish()
        return try model.use { content in
            try content.model.check(tokens)
            return TextObject(content.model.tokenizer.decode(tokens, skipSpecial: skipsSpecial))
        }
    }
}

/// The tokens that a caller passes.
func tokenArray(_ tokens: UnsafePointer<Int32>?, _ count: Int) throws -> [TokenID] {
    try buffer(tokens, count, "the tokens").map { TokenID(rawValue: $0) }
}
