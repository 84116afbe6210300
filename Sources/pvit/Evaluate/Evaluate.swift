import ArgumentParser
import Glibc
import Storage
import SystemPackage

/// `pvit evaluate`: figures about a model's predictions.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a model: logits, perplexity, divergence from another one, answers to FineEval's questions.",
        subcommands: [
            EvaluateLogits.self, EvaluatePerplexity.self, EvaluateDivergence.self, EvaluateFineEval.self,
        ])
}

/// A text to evaluate on, in windows.
struct TextOptions: ParsableArguments {
    @Option(help: "The text to evaluate on.")
    var text: FilePath

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The length of a window in tokens; its second half is scored.", valueName: "n"))
    var context = 512

    @Option(parsing: .unconditional, help: ArgumentHelp("Evaluate only the first windows.", valueName: "n"))
    var windows: Int?

    /// How many tokens go through the layers together, of several windows if they are short.
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
