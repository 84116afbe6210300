import Architectures
import ArgumentParser
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// `pvit evaluate logits`: writes the logits at every position, for comparison with other implementations.
struct EvaluateLogits: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits",
        abstract: "Write the logits at every position as a NumPy file: float32 [tokens, vocabulary].",
        discussion: """
            <image> in the prompt stands for the image. Regions are written <Region><L…><L…><L…><L…></Region>.

            Examples:
              pvit evaluate logits model.pvq --prompt "Once upon a time" --output logits.npy
              pvit evaluate logits pvit.pvq --image dog.jpg --prompt "USER: <image> Who? ASSISTANT:" --output logits.npy
            """)

    @OptionGroup var model: ModelOptions

    @Option(valueName: "ids", help: "Token ids, separated by commas.")
    var tokens: String?

    @Option(valueName: "text", help: "A text without chat template. Special tokens in it are parsed.")
    var prompt: String?

    @OptionGroup var imageOptions: ImageOptions

    @Option(name: .shortAndLong, help: "The file to write.")
    var output: FilePath

    @Option(help: "The type of the KV cache: f32, f16 or q8.")
    var kvCache: KVCache.Storage = .f32

    func validate() throws {
        if (tokens == nil) == (prompt == nil) { throw ValidationError("give either --tokens or --prompt") }
        _ = try tokens.map(parse)
        if tokens != nil, !imageOptions.image.isEmpty {
            throw ValidationError("--image needs --prompt, in which <image> stands for it")
        }
    }

    func run() throws {
        try output.requireApart(fromCheckpoints: model.file, files: imageOptions.image)
        defer { PrefillProgress.finish() }
        let loaded = try model.load(cacheStorage: kvCache, image: imageOptions.header())
        let input = try tokens.map { try tokenInput($0, for: loaded) } ?? promptInput(for: loaded)
        let llama = loaded.llama
        noteContext(input.count, of: llama.configuration)
        var cache = try KVCache(for: llama.configuration, storage: kvCache, capacity: max(input.count, 1))
        var writer = try NumpyWriter(path: output, rows: input.count, columns: llama.configuration.vocabularySize)
        PrefillProgress.update(.tokens(0, of: input.count))
        try llama.forward(input, cache: &cache, logits: .from(0)) { _, logits in
            try writer.append(logits)
        } read: {
            PrefillProgress.update(.tokens($0, of: input.count))
        }
        try writer.commit()
    }

    private func tokenInput(_ text: String, for model: LoadedModel) throws -> LlamaInput {
        let tokens = try parse(text)
        try model.check(tokens)
        return .tokens(tokens)
    }

    private func promptInput(for model: LoadedModel) throws -> LlamaInput {
        let picture = try imageOptions.load(for: model, prompt: prompt)
        picture?.noteOrientation()
        let prompt = (prompt ?? "").repairingFileNameBytes
        let text = try picture?.prompt(prompt, mustUseAll: true) ?? prompt
        if picture != nil { PrefillProgress.update(.image) }
        return try model.input(for: model.prompt(ofRaw: text, image: picture?.image)).input
    }

    private func parse(_ text: String) throws -> [TokenID] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { number in
            guard let id = Int32(number.filter { $0 != " " }) else {
                throw ValidationError("--tokens takes whole numbers separated by commas, and \"\(number)\" is none")
            }
            return TokenID(rawValue: id)
        }
    }
}
