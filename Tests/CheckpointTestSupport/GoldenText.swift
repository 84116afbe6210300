import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

/// A text that the original PyTorch code continued, with the numbers that it computed on the way.
package struct GoldenText: Sendable {
    /// The folder with its files.
    package let folder: FilePath
    /// The text and its tokens.
    package let prompt: String, tokens: [TokenID]
    /// The 24 most likely tokens after it, and their text.
    package let continuation: [TokenID], continuationText: String
    /// The distance between the two largest logits at each step: below 1e-3 another choice is legitimate.
    package let gaps: [Double]
    /// The logarithms of the probabilities of all tokens but the first, and their perplexity.
    package let logProbabilities: [Double], perplexity: Double

    /// Reads a case: `base-text`, `base-long`, `gqa-text` or `pvit-text`.
    package init(_ name: String) throws {
        folder = FilePath(SharedFixtures.path("text/\(name)"))
        let json = try JSONValue(parsing: contents(of: folder.appending("case.json")))
        prompt = try #require(json["prompt"]?.string)
        tokens = json["input_ids"]?.tokens ?? []
        continuation = json["greedy_ids"]?.tokens ?? []
        continuationText = try #require(json["decoded"]?.string)
        gaps = (json["steps"]?.array ?? []).compactMap { $0["gap_top1_top2"]?.double }
        logProbabilities = (json["logprob_of_prompt_tokens_1_to_end"]?.array ?? []).compactMap(\.double)
        perplexity = try #require(json["perplexity"]?.double)
        try #require(!tokens.isEmpty && continuation.count == 24 && gaps.count == 24)
        try #require(logProbabilities.count == tokens.count - 1)
    }

    /// The numbers in one of its files, `NAME.npy`.
    package func array(_ name: String) throws -> NumpyArray { try NumpyArray(folder.appending("\(name).npy")) }
}

extension JSONValue {
    /// The token ids in a list.
    package var tokens: [TokenID] { (array ?? []).compactMap { $0.integer.flatMap { TokenID(exactly: $0) } } }
}
