#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Sampler {
    /// The candidates that top-k, top-p and min-p leave, most likely first; all of them in order of their ids when no
    /// filter is on.
    func filtered(_ logits: Span<Float>, largest: Float) -> [Candidate] {
        if options.topK == 0, options.topP >= 1 {
            // A logit below this has less than minP of the largest probability.
            let floor = options.minP > 0 ? Double(largest) + log(options.minP) : -.infinity
            return Self.candidates(logits) { Double($0) >= floor }
        }
        var kept = Self.mostLikely(logits, largest: largest, topK: options.topK, topP: options.topP)
        if options.minP > 0 {
            let floor = Double(largest) + log(options.minP)
            kept.removeAll { Double($0.logit) < floor }
        }
        return kept
    }

    private static func candidates(_ logits: Span<Float>, where isIncluded: (Float) -> Bool) -> [Candidate] {
        var result: [Candidate] = []
        for index in logits.indices where isIncluded(logits[index]) {
            result.append(Candidate(token: Int32(index), logit: logits[index]))
        }
        return result
    }

    /// The shortest run of most likely tokens that has `topK` of them or reaches the mass `topP` among the top k,
    /// whichever is shorter.
    ///
    /// Only logits within a margin of the largest are sorted; the margin widens until it holds the whole run.
    private static func mostLikely(_ logits: Span<Float>, largest: Float, topK: Int, topP: Double) -> [Candidate] {
        let count = topK == 0 ? logits.count : min(topK, logits.count)
        var margin: Float = 4
        while true {
            let floor = largest - margin
            var near = candidates(logits) { $0 >= floor }
            let isAll = near.count == logits.count
            margin = margin < 1000 ? margin * 2 : .infinity
            if topK != 0, near.count < count, !isAll { continue }
            near.sort(by: Candidate.precedes)
            if topK != 0 { near.removeLast(near.count - min(near.count, count)) }
            if topP >= 1 { return near }
            // Top-p counts the mass of what top-k left.
            let total =
                topK != 0
                ? near.reduce(0) { $0 + exp(Double($1.logit - largest)) } : mass(logits, largest: largest)
            var reached = 0.0
            for (index, candidate) in near.enumerated() {
                reached += exp(Double(candidate.logit - largest))
                if reached >= topP * total { return Array(near[...index]) }
            }
            if topK != 0 || isAll { return near }
        }
    }

    private static func mass(_ logits: Span<Float>, largest: Float) -> Double {
        var sum = 0.0
        for index in logits.indices { sum += exp(Double(logits[index] - largest)) }
        return sum
    }
}
