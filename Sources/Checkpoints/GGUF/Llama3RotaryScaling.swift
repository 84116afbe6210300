import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The stretching of rotary wavelengths since LLaMA 3.1: short ones stay, long ones are multiplied by a factor, and those
/// between are blended (`_compute_llama3_parameters` of `transformers`).
package struct Llama3RotaryScaling: Sendable, Hashable {
    /// What long wavelengths are multiplied by.
    package let factor: Double
    private let lowFrequencyFactor: Double
    private let highFrequencyFactor: Double
    private let originalContextLength: Int

    /// Reads `rope_scaling` of config.json; nil when it is not of this kind or lacks a number.
    package init?(configuration: JSONObject) {
        guard (configuration["rope_type"] ?? configuration["type"])?.string == "llama3",
            let factor = configuration["factor"]?.double,
            let low = configuration["low_freq_factor"]?.double,
            let high = configuration["high_freq_factor"]?.double,
            let length = configuration["original_max_position_embeddings"]?.integer, factor > 0, high > low, low > 0,
            length > 0, [factor, low, high].allSatisfy(\.isFinite)
        else { return nil }
        self.factor = factor
        lowFrequencyFactor = low
        highFrequencyFactor = high
        originalContextLength = length
    }

    /// Recognises the numbers of the published models by their divisors; nil when it cannot be them.
    package init?(factors: [Float], theta: Double) {
        guard let last = factors.last, last > 1, last.isFinite else { return nil }
        factor = Double(last)
        lowFrequencyFactor = 1
        highFrequencyFactor = 4
        originalContextLength = 8192
        let expected = self.factors(width: factors.count * 2, theta: theta)
        guard zip(expected, factors).allSatisfy({ abs($0 - $1) <= 1e-4 * $0 }) else { return nil }
    }

    /// `rope_scaling` of config.json.
    package var configuration: JSONObject {
        [
            "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(lowFrequencyFactor),
            "high_freq_factor": .number(highFrequencyFactor),
            "original_max_position_embeddings": .integer(originalContextLength),
        ]
    }

    /// The divisor of each frequency of heads of `width` channels: [width / 2].
    package func factors(width: Int, theta: Double) -> [Float] {
        let length = Double(originalContextLength)
        let (longest, shortest) = (length / lowFrequencyFactor, length / highFrequencyFactor)
        return (0..<width / 2).map { place in
            let wavelength = 2 * Double.pi * pow(theta, Double(2 * place) / Double(width))
            if wavelength < shortest { return 1 }
            if wavelength > longest { return Float(factor) }
            let blend = (length / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
            return Float(1 / ((1 - blend) / factor + blend))
        }
    }
}
