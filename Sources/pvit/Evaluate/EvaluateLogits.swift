import ArgumentParser
import LanguageModel
import PVITModel
import SystemPackage
import Tensors
import Tokenization

/// `pvit evaluate logits`: the logits of a model at every position, for comparison with another implementation.
struct EvaluateLogits: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits",
        abstract: "Write the logits of every position as a NumPy file: float32 [tokens, vocabulary].",
        discussion: """
            Example:
              pvit evaluate logits model.pvq --prompt "Once upon a time" --output logits.npy
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("Token ids, divided by commas.", valueName: "ids"))
    var tokens: String?

    @Option(help: ArgumentHelp("A text, taken as it is; special tokens are recognised.", valueName: "text"))
    var prompt: String?

    @Option(name: .shortAndLong, help: "The file to write.")
    var output: FilePath

    @Option(help: "How keys and values are kept: f32, f16 or q8.")
    var kvCache: KVCache.Storage = .f32

    func validate() throws {
        if (tokens == nil) == (prompt == nil) { throw ValidationError("give either --tokens or --prompt") }
        _ = try tokens.map(parse)
    }

    func run() throws {
        let loaded = try model.load()
        let ids =
            try tokens.map(parse)
            ?? loaded.tokenizer.encode(prompt ?? "", addBeginning: true, recogniseSpecial: true)
        let llama = loaded.llama
        var cache = try KVCache(for: llama.configuration, storage: kvCache, capacity: max(ids.count, 1))
        var writer = try NumpyWriter(path: output, rows: ids.count, columns: llama.configuration.vocabularySize)
        try llama.forward(.tokens(ids), cache: &cache, logits: .from(0)) { _, logits in try writer.append(logits) }
        try writer.commit()
    }

    private func parse(_ text: String) throws -> [TokenID] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { number in
            guard let id = Int32(number.filter { $0 != " " }) else {
                throw ValidationError("--tokens takes whole numbers divided by commas; \"\(number)\" is none")
            }
            return TokenID(rawValue: id)
        }
    }
}
