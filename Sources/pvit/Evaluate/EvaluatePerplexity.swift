import ArgumentParser
import LanguageModel
import PVITModel
import Storage
import SystemPackage

/// `pvit evaluate perplexity`: measures how well a model predicts a text.
struct EvaluatePerplexity: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measure how well a model predicts a text; lower is better.",
        discussion: """
            The text is cut into windows as in llama.cpp's perplexity tool, so the figures are comparable.

            Example:
              pvit evaluate perplexity smollm2.pvq --text persuasion.txt
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "The text to evaluate on.")
    var text: FilePath

    @OptionGroup var options: WindowOptions

    func run() throws {
        let bytes = try readText(text)
        let loaded = try model.load(
            context: options.context, cacheStorage: options.kvCache, sequenceCount: options.windowsTogether,
            batchSize: WindowOptions.batchSize)
        if !options.display.quiet { noteContext(options.context, of: loaded.llama.configuration) }
        let windows = try loaded.windows(of: bytes, context: options.context).prefix(options.windows)
        let result = try withWindowProgress(windows, options.display) { progress in
            try loaded.llama.perplexity(over: windows, storage: options.kvCache, progress: progress)
        }
        if options.json {
            try StandardOutput.write(json: result.json(of: windows))
        } else {
            let error = result.standardError.map { " ± \($0.formatted(decimals: 4))" } ?? ""
            let count = result.tokenCount == 1 ? "1 token" : "\(result.tokenCount) tokens"
            try StandardOutput.write("perplexity \(result.perplexity.formatted(decimals: 4))\(error) over \(count)\n")
        }
        if result.standardError == nil {
            options.display.note(
                "note: one scored token says little about a model and gives no standard error: use more windows, or a "
                    + "longer context")
        }
    }
}

/// Runs an evaluation with a progress line of windows. Ctrl-C stops it.
func withWindowProgress<Result>(
    _ windows: EvaluationWindows, _ display: OutputOptions, _ evaluate: ((Int) throws -> Void) throws -> Result
) throws -> Result {
    Interruption.watch()
    let line = ProgressLine("evaluating", unit: "windows", quiet: display.quiet)
    defer { line.finish() }
    return try evaluate { done in
        try Interruption.check()
        line.update(done: UInt64(done), total: UInt64(windows.windows.count))
    }
}
