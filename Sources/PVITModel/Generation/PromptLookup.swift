import Tensors
import Tokenization

/// Guesses how a text continues from how it continued before (prompt lookup decoding): where its last tokens occur
/// earlier, what followed them there. The earlier place that shares most tokens with the end counts, the latest of
/// equal ones.
///
/// Places are found by their last two tokens, in chains from the latest to the earliest, as compressors find
/// repetitions.
struct PromptLookup {
    private struct Pair: Hashable {
        let first: TokenID
        let second: TokenID
    }

    /// The latest place behind a pair of tokens.
    private var latest: [Pair: Int] = [:]
    /// For each place, the one before it behind the same pair.
    private var earlier: [Int?] = []

    /// How many places are looked at, and how many tokens are compared for each.
    private static let candidates = 64
    private static let longestMatch = 64

    /// Up to `count` tokens that may come next; none when the last two tokens never stood together before.
    ///
    /// - Parameter text: The whole text; it begins with the one that was given before.
    mutating func continuation(of text: [TokenID], count: Int) -> [TokenID] {
        index(text)
        guard count > 0, text.count > 2 else { return [] }
        var candidate = latest[Pair(first: text[text.count - 2], second: text[text.count - 1])]
        var best: (place: Int, length: Int)?
        for _ in 0..<Self.candidates {
            guard let place = candidate else { break }
            let length = Self.commonEnd(text, place)
            if length > best?.length ?? 0 { best = (place, length) }
            if length >= Self.longestMatch { break }
            candidate = earlier[place]
        }
        guard let best else { return [] }
        var result: [TokenID] = []
        for next in best.place..<best.place + count {
            // What repeats itself goes on repeating itself.
            result.append(next < text.count ? text[next] : result[next - text.count])
        }
        return result
    }

    /// Enters the places of a text that are new: those that a token follows.
    private mutating func index(_ text: [TokenID]) {
        while earlier.count < text.count {
            let place = earlier.count
            guard place >= 2 else {
                earlier.append(nil)
                continue
            }
            earlier.append(latest.updateValue(place, forKey: Pair(first: text[place - 2], second: text[place - 1])))
        }
    }

    /// How many tokens before `place` are those at the end of the text.
    private static func commonEnd(_ text: [TokenID], _ place: Int) -> Int {
        var length = 0
        while length < min(place, longestMatch), text[place - 1 - length] == text[text.count - 1 - length] {
            length += 1
        }
        return length
    }
}
