import Storage
import Tensors

/// A text cut into windows of one length for measuring a model, as llama.cpp's `perplexity` tool cuts it: windows do
/// not overlap, the rest of the text is left out, and the second half of each is scored, so that every scored token has
/// at least half a window before it.
package struct EvaluationWindows: Sendable {
    /// The windows, each of `context` tokens; the first token of each is the one that begins texts, if the model has
    /// one.
    package let windows: [[TokenID]]
    /// The length of a window.
    package let context: Int
    /// The positions of a window whose next token is predicted and scored.
    package var scored: Range<Int> { context / 2..<context - 1 }

    /// The first `count` windows; all of them when `count` is nil.
    package func prefix(_ count: Int?) -> EvaluationWindows {
        EvaluationWindows(windows: Array(windows.prefix(count ?? windows.count)), context: context)
    }

    /// The windows in groups of about `positions` tokens, of at least one window.
    func groups(ofPositions positions: Int) -> [Range<Int>] {
        let size = max(positions / context, 1)
        return stride(from: 0, to: windows.count, by: size).map { $0..<min($0 + size, windows.count) }
    }

    /// Tells `progress` how many windows are done, for each that ends in `rows`.
    func report(
        _ rows: ArraySlice<LlamaPass.Row>, of group: Range<Int>, _ progress: (Int) throws -> Void
    ) rethrows {
        for row in rows where row.position == scored.upperBound - 1 { try progress(group.lowerBound + row.entry + 1) }
    }

    private init(windows: [[TokenID]], context: Int) {
        self.windows = windows
        self.context = context
    }

    /// Cuts a text.
    ///
    /// - Parameter beginning: What replaces the first token of each window: the token that begins texts, when the
    ///   tokenizer adds one.
    /// - Throws: `evaluation.text` when `context` is below 4 or the text is shorter than a window.
    package init(_ tokens: [TokenID], context: Int, beginning: TokenID?) throws {
        guard context >= 4 else {
            throw PVITError(.evaluationText, "windows of \(context) tokens are too short to score")
        }
        guard tokens.count >= context else {
            throw PVITError(
                .evaluationText, "the text has \(tokens.count) tokens, and a window needs \(context)",
                remedy: "use a longer text or a shorter context")
        }
        self.context = context
        windows = (0..<tokens.count / context).map { index in
            var window = Array(tokens[index * context..<(index + 1) * context])
            if let beginning { window[0] = beginning }
            return window
        }
    }
}

/// How well a model predicts a text.
package struct PerplexityResult: Sendable, Hashable {
    /// exp of the mean negative log-likelihood.
    package let perplexity: Double
    /// The standard error of `perplexity`, taking tokens as independent.
    package let standardError: Double?
    /// How many tokens were scored.
    package let tokenCount: Int

    /// The result as JSON, with the windows that it was measured on.
    package func json(of windows: EvaluationWindows) -> JSONValue {
        [
            "perplexity": .number(perplexity), "standard_error": standardError.map { .number($0) } ?? .null,
            "tokens": .integer(tokenCount), "windows": .integer(windows.windows.count),
            "context": .integer(windows.context),
        ]
    }
}

extension PVITError.Code {
    /// A text cannot be evaluated: it is too short, or the models do not fit together.
    package static let evaluationText = Self("evaluation.text", .usage)
}
