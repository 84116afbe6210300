import Compute
import LanguageModel
import Platform
import Storage
import SystemPackage
import Tensors
import Vision

/// An open model, which answers requests.
///
/// Any task may use a model. Its computations run one after another on threads of the model's own, so they do not hold
/// up other tasks. Cancelling a task ends its computation.
public final class Model: Sendable {
    /// What the thread of the model works on.
    final class Contents: @unchecked Sendable {
        // Only touched on the model's thread, but for `prompts`, which is never changed after opening.
        let loaded: LoadedModel
        let generator: Generator

        init(_ path: FilePath, _ options: Options, _ thread: ModelThread) throws {
            let draft = try options.draft.map { try DraftFile(opening: $0) }
            let engine = try ComputeEngine(
                threadCount: options.threadCount ?? MachineProcessors.available,
                checkpoint: { [weak thread] in try thread?.check() })
            let request = MemoryRequest(
                limit: options.memory, contextLength: options.contextLength, cacheStorage: options.cacheStorage,
                seesImages: options.readsImages, draft: draft)
            loaded = try LoadedModel(opening: path, engine: engine, memory: request)
            if let template = options.chatTemplate { try loaded.useChatTemplate(namedOrText: template) }
            loaded.parsesSpecialTokensInMessages = options.parsesSpecialTokens
            generator = try Generator(
                loaded, contextLength: options.contextLength, storage: options.cacheStorage, draft: draft)
        }
    }

    /// The maximum number of positions for prompt and answer together.
    public let contextLength: Int
    /// The number of tokens that the model knows.
    public let vocabularySize: Int
    /// Whether the model can read images.
    public let readsImages: Bool
    /// Whether the model can read regions of images.
    public let readsRegions: Bool

    let contents: Contents
    let thread: ModelThread
    /// Turns texts and images into prompts. Needs no computation of the model.
    let prompts: PromptBuilder

    /// Opens a model.
    ///
    /// Weights stay in the file until they are used, so this takes a fraction of a second whatever the model's size.
    ///
    /// - Parameters:
    ///   - path: The `.pvq` file.
    ///   - options: How much memory and how many threads to use, and more.
    /// - Throws: `PVITError` if the file is missing or damaged, or does not fit into memory.
    public init(_ path: FilePath, options: Options = Options()) async throws {
        let thread = try ModelThread()
        let contents = try await thread.run { try Contents(path, options, thread) }
        self.thread = thread
        self.contents = contents
        prompts = contents.loaded.prompts
        contextLength = contents.generator.contextLength
        vocabularySize = prompts.vocabularySize
        readsImages = prompts.images != nil
        readsRegions = prompts.images?.preparation.regions != nil
    }

    /// Decodes an image file and scales it for the model. JPEG, PNG and WebP are recognised by content.
    ///
    /// - Parameter path: The image file.
    /// - Throws: `PVITError` if the file is no image or the model cannot read images.
    public func image(contentsOf path: FilePath) throws -> PreparedImage { try prompts.image(ImageFile(path: path)) }

    /// Decodes the content of an image file and scales it for the model.
    ///
    /// - Parameter bytes: A JPEG, PNG or WebP file.
    /// - Throws: `PVITError` if the bytes are no image or the model cannot read images.
    public func image(decoding bytes: [UInt8]) throws -> PreparedImage { try prompts.image(ImageFile(bytes: bytes)) }

    /// Scales an image in memory for the model.
    ///
    /// - Parameter image: The pixels.
    /// - Throws: `PVITError` if the model cannot read images.
    public func image(_ image: PixelImage) throws -> PreparedImage { try prompts.image(image) }

    /// The tokens of a text, as a prompt without chat template has them: with BOS, and with special tokens parsed.
    ///
    /// - Parameter text: The text.
    public func tokens(of text: String) -> [TokenID] { prompts.tokenizer.encode(prompt: Array(text.utf8)) }

    /// The text of tokens, without special tokens.
    ///
    /// - Parameter tokens: Token ids of this model.
    /// - Throws: `PVITError` for ids that the model does not know.
    public func text(of tokens: [TokenID]) throws -> String {
        try prompts.check(tokens)
        return prompts.tokenizer.decode(tokens, skipSpecial: true)
    }

    /// Answers a conversation, which may be about an image. Nothing is computed before the first piece of the answer is
    /// asked for, nor between the pieces.
    ///
    /// A further request about the same image does not encode it again, and what a prompt has in common with the text
    /// before it is not read again.
    ///
    /// - Parameters:
    ///   - messages: The conversation. Users mention regions as `{name}`.
    ///   - image: The image that it is about.
    ///   - regions: Regions of the image.
    ///   - options: How to draw tokens, and when to stop. The defaults decode greedily until the model ends the answer.
    public func answer(
        to messages: [ChatMessage], about image: PreparedImage? = nil, regions: [NamedRegion] = [],
        options: GenerationOptions = GenerationOptions()
    ) -> Answer {
        Answer(of: self) { generator in
            try generator.begin(regions.inserted(into: messages, of: image), image: image, options)
        }
    }

    /// Answers a single message of a user: ``answer(to:about:regions:options:)-([ChatMessage],_,_,_)``.
    ///
    /// - Parameters:
    ///   - text: The message, which mentions regions as `{name}`.
    ///   - image: The image that it is about.
    ///   - regions: Regions of the image.
    ///   - options: How to draw tokens, and when to stop.
    public func answer(
        to text: String, about image: PreparedImage? = nil, regions: [NamedRegion] = [],
        options: GenerationOptions = GenerationOptions()
    ) -> Answer {
        answer(to: [ChatMessage(.user, text)], about: image, regions: regions, options: options)
    }

    /// Continues a text without a chat template.
    ///
    /// - Parameters:
    ///   - text: The text. `<image>` in it stands for the image, and `{name}` for a region.
    ///   - image: The image that it is about.
    ///   - regions: Regions of the image.
    ///   - options: How to draw tokens, and when to stop.
    public func completion(
        of text: String, about image: PreparedImage? = nil, regions: [NamedRegion] = [],
        options: GenerationOptions = GenerationOptions()
    ) -> Answer {
        Answer(of: self) { generator in
            try generator.begin(text: regions.inserted(into: text, of: image), image: image, options)
        }
    }

    /// Continues tokens.
    ///
    /// - Parameters:
    ///   - tokens: At least one token id of this model.
    ///   - options: How to draw tokens, and when to stop.
    public func completion(of tokens: [TokenID], options: GenerationOptions = GenerationOptions()) -> Answer {
        Answer(of: self) { try $0.begin(tokens: tokens, options) }
    }

    /// Reads a session file: prompts that begin with its text do not compute it again. Answers are those of a model
    /// without it, bit for bit.
    ///
    /// - Parameter path: A file that ``writeSession(_:)`` or `pvit run --session` has written for this model.
    /// - Returns: The number of positions that were read.
    /// - Throws: `PVITError` if the file is damaged or belongs to another model.
    @discardableResult
    public func readSession(_ path: FilePath) async throws -> Int {
        try await thread.run { [contents] in try contents.generator.readSession(path) }
    }

    /// Writes the text that the model has read, its keys and its values to a session file. The file appears whole or
    /// not at all.
    ///
    /// - Parameter path: The file, which is replaced if it exists.
    /// - Returns: The number of positions that were written.
    /// - Throws: `PVITError` if the file cannot be written, or is a file that the model is read from.
    @discardableResult
    public func writeSession(_ path: FilePath) async throws -> Int {
        try await thread.run { [contents] in
            try SessionFile.requireOutput(path, apartFrom: contents.generator.inputs)
            return try contents.generator.writeSession(path).positionCount
        }
    }
}
