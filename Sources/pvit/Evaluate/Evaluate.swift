import ArgumentParser
import Glibc
import Storage
import SystemPackage

/// `pvit evaluate`: measures a model's predictions.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Evaluate a model: logits, perplexity, divergence from a reference, answers to FineEval's questions.",
        subcommands: [
            EvaluateLogits.self, EvaluatePerplexity.self, EvaluateDivergence.self, EvaluateFineEval.self,
        ])
}

/// The text to evaluate on, and its windows.
struct TextOptions: ParsableArguments {
    @Option(help: "The text to evaluate on.")
    var text: FilePath

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The length of a window, in tokens. The second half of each is scored.", valueName: "n"))
    var context = 512

    @Option(parsing: .unconditional, help: ArgumentHelp("Evaluate only the first n windows.", valueName: "n"))
    var windows: Int?

    /// The number of tokens in a pass. Short windows share a pass.
    static let batchSize = 1024
    var windowsTogether: Int { max(Self.batchSize / context, 1) }

    func validate() throws {
        if context < 4 { throw ValidationError("--context takes 4 or more") }
        if let windows, windows < 1 { throw ValidationError("--windows takes 1 or more") }
    }

    /// The bytes of the text.
    ///
    /// - Throws: `text.encoding` for UTF-16 and UTF-32, and `file.*` errors.
    func read() throws -> [UInt8] {
        let file = try MappedFile(path: text)
        let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        do {
            try TextEncoding.requireUTF8(bytes)
        } catch let error as PVITError { throw error.located(file: text) }
        return bytes
    }
}
