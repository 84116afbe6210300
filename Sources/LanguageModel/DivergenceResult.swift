#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The comparisons of two models' predictions, window by window: a few numbers for each scored token, which
/// `DivergenceResult` sums up.
package struct ComparedWindows: Sendable {
    /// The scored tokens of each window.
    private(set) var windows: [[Comparison]]

    /// Comparisons of no windows yet.
    package init() { windows = [] }

    init(_ windows: [[Comparison]]) { self.windows = windows }

    /// Adds the windows of another text.
    package mutating func append(_ other: ComparedWindows) { windows += other.windows }
}

/// How far a model's predictions are from those of a reference model on the same text.
///
/// The statistics are those of llama.cpp's `llama-perplexity --kl-divergence`. Standard errors take tokens as
/// independent, as llama.cpp does; only that of `perplexityRatio` takes windows as independent, because the losses of
/// neighbouring tokens are not. All are nil with a single token or window.
package struct DivergenceResult: Sendable, Hashable {
    /// The model's perplexity.
    package let perplexity: Double
    /// The reference's perplexity.
    package let referencePerplexity: Double
    /// `perplexity / referencePerplexity`. Its error is that of the mean over windows of the difference of both losses.
    package let perplexityRatio: Estimate
    /// The mean over tokens of KL(reference ‖ model), in nats.
    package let meanKL: Estimate
    /// The median of the same. It and the percentiles are interpolated linearly.
    package let medianKL: Double
    /// The 95th percentile.
    package let p95KL: Double
    /// The 99th percentile.
    package let p99KL: Double
    /// The 99.9th percentile.
    package let p999KL: Double
    /// The largest one.
    package let maximumKL: Double
    /// The change of the probability of the token that follows: the model's less the reference's, -1...1.
    package let meanProbabilityChange: Estimate
    /// The root of the mean square of the same.
    package let rmsProbabilityChange: Estimate
    /// The share of tokens whose most likely successor is the same, 0...1.
    package let top1Agreement: Estimate
    /// How many tokens were scored.
    package let tokenCount: Int
    /// How many windows they are in.
    package let windowCount: Int

    /// The statistics of all tokens of some windows, in any order.
    ///
    /// - Parameter compared: At least one window; windows have the same number of tokens.
    package init(_ compared: ComparedWindows) {
        let windows = compared.windows
        let tokens = windows.flatMap(\.self)
        let divergences = tokens.map(\.divergence).sorted()
        let changes = tokens.map(\.probabilityChange)
        let agreement = tokens.map { $0.sameTop ? 1.0 : 0 }
        let lossChange = Estimate(meanOf: windows.map { Estimate(meanOf: $0.map(\.lossChange)).value })
        let squaredChange = Estimate(meanOf: changes.map { $0 * $0 })

        perplexity = exp(Estimate(meanOf: tokens.map(\.loss)).value)
        referencePerplexity = exp(Estimate(meanOf: tokens.map(\.referenceLoss)).value)
        perplexityRatio = lossChange.mapped(by: { exp($0) }, slope: { exp($0) })
        meanKL = Estimate(meanOf: divergences)
        medianKL = Self.quantile(0.5, ofSorted: divergences)
        p95KL = Self.quantile(0.95, ofSorted: divergences)
        p99KL = Self.quantile(0.99, ofSorted: divergences)
        p999KL = Self.quantile(0.999, ofSorted: divergences)
        maximumKL = divergences.last ?? .nan
        meanProbabilityChange = Estimate(meanOf: changes)
        rmsProbabilityChange = squaredChange.mapped(
            by: { $0.squareRoot() }, slope: { $0 > 0 ? 0.5 / $0.squareRoot() : 0 })
        top1Agreement = Estimate(meanOf: agreement)
        tokenCount = tokens.count
        windowCount = windows.count
    }

    /// The value below which a share of the values lies, interpolated linearly between neighbours.
    private static func quantile(_ share: Double, ofSorted values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let rank = share * Double(values.count - 1)
        let below = Int(rank)
        let above = min(below + 1, values.count - 1)
        return values[below] + (values[above] - values[below]) * (rank - Double(below))
    }
}
