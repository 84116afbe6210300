import LanguageModel
import Storage

/// What `pvit evaluate divergence` prints.
struct DivergenceReport {
    /// The stored bits per weight in the linear matrices.
    let bitsPerWeight: Double
    /// The length of a window, in tokens.
    let context: Int
    /// The result for each text.
    let texts: [(name: String, result: DivergenceResult)]
    /// The result for all texts together.
    let total: DivergenceResult

    /// The total's figures, and a list of the texts with theirs.
    var json: JSONValue {
        var object = Self.json(total)
        object["bits_per_weight"] = .number(bitsPerWeight)
        object["context"] = .integer(context)
        object["texts"] = .array(
            texts.map { text in
                var object: JSONObject = ["text": .string(text.name)]
                for member in Self.json(text.result).members { object[member.key] = member.value }
                return .object(object)
            })
        return .object(object)
    }

    private static func json(_ result: DivergenceResult) -> JSONObject {
        func error(_ estimate: Estimate) -> JSONValue { estimate.standardError.map { .number($0) } ?? .null }
        return [
            "perplexity": .number(result.perplexity), "reference_perplexity": .number(result.referencePerplexity),
            "perplexity_ratio": .number(result.perplexityRatio.value),
            "perplexity_ratio_standard_error": error(result.perplexityRatio),
            "mean_kl": .number(result.meanKL.value), "mean_kl_standard_error": error(result.meanKL),
            "median_kl": .number(result.medianKL), "p95_kl": .number(result.p95KL), "p99_kl": .number(result.p99KL),
            "p999_kl": .number(result.p999KL), "max_kl": .number(result.maximumKL),
            "mean_probability_change": .number(result.meanProbabilityChange.value),
            "mean_probability_change_standard_error": error(result.meanProbabilityChange),
            "rms_probability_change": .number(result.rmsProbabilityChange.value),
            "rms_probability_change_standard_error": error(result.rmsProbabilityChange),
            "top1_agreement": .number(result.top1Agreement.value),
            "top1_agreement_standard_error": error(result.top1Agreement),
            "tokens": .integer(result.tokenCount), "windows": .integer(result.windowCount),
        ]
    }

    /// A section for each text, and one for all if there are several.
    var text: String {
        let bits = "bits per weight       \(bitsPerWeight.formatted(decimals: 3)) in the linear matrices\n"
        guard texts.count > 1 else { return bits + Self.text(total) }
        let sections = texts.map { "\n\($0.name)\n" + Self.text($0.result) }
        return bits + sections.joined() + "\nall texts\n" + Self.text(total)
    }

    private static func text(_ result: DivergenceResult) -> String {
        func number(_ estimate: Estimate, decimals: Int, times factor: Double = 1) -> String {
            let error = estimate.standardError.map { " ± \(($0 * factor).formatted(decimals: decimals))" } ?? ""
            return (estimate.value * factor).formatted(decimals: decimals) + error
        }
        let windows = result.windowCount == 1 ? "1 window" : "\(result.windowCount) windows"
        return """
            mean KL divergence    \(number(result.meanKL, decimals: 5))
            median                \(result.medianKL.formatted(decimals: 5))
            95th percentile       \(result.p95KL.formatted(decimals: 4))
            99th percentile       \(result.p99KL.formatted(decimals: 4))
            99.9th percentile     \(result.p999KL.formatted(decimals: 4))
            maximum               \(result.maximumKL.formatted(decimals: 4))
            same top token        \(number(result.top1Agreement, decimals: 2, times: 100)) %
            right token           \(number(result.meanProbabilityChange, decimals: 3, times: 100)) % mean change of \
            its probability, \(number(result.rmsProbabilityChange, decimals: 3, times: 100)) % RMS
            perplexity            \(result.perplexity.formatted(decimals: 3)), reference \
            \(result.referencePerplexity.formatted(decimals: 3))
            perplexity ratio      \(number(result.perplexityRatio, decimals: 5))
            tokens                \(result.tokenCount) in \(windows)

            """
    }
}
