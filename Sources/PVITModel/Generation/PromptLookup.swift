import Tensors
import Tokenization

/// Guesses how a text continues by finding its last tokens earlier in the text (prompt lookup decoding).
///
/// Of all earlier positions, the one with the longest match wins; of equal ones, the latest. Positions are indexed by
/// the two tokens before them, in chains from the latest to the earliest, as in an LZ77 compressor.
struct PromptLookup {
    private struct Pair: Hashable {
        let first: TokenID
        let second: TokenID
    }

    /// The latest position after a pair of tokens.
    private var latest: [Pair: Int] = [:]
    /// For each position, the previous position after the same pair.
    private var earlier: [Int?] = []

    /// The number of positions to look at, and the number of tokens to compare for each.
    private static let candidates = 64
    private static let longestMatch = 64

    /// Returns up to `count` tokens that may come next, or none if the last two tokens have not occurred together
    /// before.
    ///
    /// - Parameter text: The whole text. It must begin with the text of the previous call.
    mutating func continuation(of text: [TokenID], count: Int) -> [TokenID] {
        index(text)
        guard count > 0, text.count > 2 else { return [] }
        var candidate = latest[Pair(first: text[text.count - 2], second: text[text.count - 1])]
        var best: (position: Int, length: Int)?
        for _ in 0..<Self.candidates {
            guard let position = candidate else { break }
            let length = Self.commonEnd(text, position)
            if length > best?.length ?? 0 { best = (position, length) }
            if length >= Self.longestMatch { break }
            candidate = earlier[position]
        }
        guard let best else { return [] }
        var result: [TokenID] = []
        for next in best.position..<best.position + count {
            // The match may reach the end of the text. Then it repeats.
            result.append(next < text.count ? text[next] : result[next - text.count])
        }
        return result
    }

    /// Indexes the new positions of a text.
    private mutating func index(_ text: [TokenID]) {
        while earlier.count < text.count {
            let position = earlier.count
            guard position >= 2 else {
                earlier.append(nil)
                continue
            }
            earlier.append(
                latest.updateValue(position, forKey: Pair(first: text[position - 2], second: text[position - 1])))
        }
    }

    /// The number of tokens before `position` that match the end of the text.
    private static func commonEnd(_ text: [TokenID], _ position: Int) -> Int {
        var length = 0
        while length < min(position, longestMatch), text[position - 1 - length] == text[text.count - 1 - length] {
            length += 1
        }
        return length
    }
}
