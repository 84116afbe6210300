import ArgumentParser
import Glibc
import LanguageModel
import Storage
import SystemPackage

/// `pvit evaluate`: measures a model's predictions.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: """
            Evaluate a model: logits, features of images, perplexity, divergence from a reference, answers to \
            FineEval's questions.
            """,
        subcommands: [
            EvaluateLogits.self, EvaluateFeatures.self, EvaluatePerplexity.self, EvaluateDivergence.self,
            EvaluateFineEval.self,
        ])
}

/// The windows that a text is cut into, and the options that evaluations on a text share.
struct WindowOptions: ParsableArguments {
    @Option(valueName: "n", help: "The length of a window, in tokens. The second half of each is scored.")
    var context = 512

    @Option(valueName: "n", help: "Evaluate only the first n windows of a text.")
    var windows: Int?

    @Option(help: "The type of the KV cache: f32, f16 or q8.")
    var kvCache: KVCache.Storage = .f16

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var display: OutputOptions

    /// The number of tokens in a pass. Short windows share a pass.
    static let batchSize = 1024
    var windowsTogether: Int { max(Self.batchSize / context, 1) }

    func validate() throws {
        if context < 4 { throw ValidationError("--context takes 4 or more") }
        if let windows, windows < 1 { throw ValidationError("--windows takes 1 or more") }
    }
}

/// The bytes of a text to evaluate on.
///
/// - Throws: `text.encoding` for UTF-16 and UTF-32, and `file.*` errors.
func readText(_ path: FilePath) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
    do {
        try TextEncoding.requireUTF8(bytes)
    } catch let error as PVITError { throw error.located(file: path) }
    return bytes
}
