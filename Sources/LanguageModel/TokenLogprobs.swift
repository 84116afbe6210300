import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The log probability of a token that was drawn, and of the most likely ones in its place: natural logarithms of the
/// softmax of the model's logits, before penalties, temperature and filters.
package struct TokenLogprobs: Sendable, Hashable {
    /// A token and its log probability.
    package struct Entry: Sendable, Hashable {
        /// The token.
        package let token: TokenID
        /// The natural logarithm of its probability.
        package let logprob: Double
    }

    /// The token that was drawn.
    package let drawn: Entry
    /// The most likely tokens, most likely first; equal ones by id.
    package let top: [Entry]

    /// - Parameters:
    ///   - token: The token that was drawn.
    ///   - logits: `[vocabulary]`, finite numbers.
    ///   - count: How many of the most likely tokens to name.
    package init(of token: TokenID, _ logits: Span<Float>, topCount count: Int) {
        var largest = -Float.infinity
        for index in logits.indices { largest = max(largest, logits[index]) }
        var sum = 0.0
        for index in logits.indices { sum += exp(Double(logits[index] - largest)) }
        let logSum = Double(largest) + log(sum)
        func entry(_ index: Int) -> Entry {
            Entry(token: TokenID(rawValue: Int32(index)), logprob: Double(logits[index]) - logSum)
        }
        // Insertion into a short sorted list: `count` is a handful.
        var best: [Int] = []
        for index in logits.indices where count > 0 {
            if best.count == count, let last = best.last, logits[index] <= logits[last] { continue }
            let place = best.firstIndex { logits[$0] < logits[index] } ?? best.count
            best.insert(index, at: place)
            if best.count > count { best.removeLast() }
        }
        drawn =
            logits.indices.contains(Int(token.rawValue))
            ? entry(Int(token.rawValue)) : Entry(token: token, logprob: -.infinity)
        top = best.map(entry)
    }
}
