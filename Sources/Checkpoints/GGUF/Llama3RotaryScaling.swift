import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The stretching of rotary wavelengths since LLaMA 3.1: short ones stay, long ones are multiplied by a factor, and
/// those between are blended (`_compute_llama3_parameters` of `transformers`).
package struct Llama3RotaryScaling: Sendable, Hashable {
    /// What long wavelengths are multiplied by.
    package let factor: Double
    let lowFrequencyFactor: Double
    let highFrequencyFactor: Double
    let originalContextLength: Double

    /// Creates a scaling.
    ///
    /// - Parameters:
    ///   - lowFrequencyFactor: Wavelengths above `originalContextLength` / this are long.
    ///   - highFrequencyFactor: Wavelengths below `originalContextLength` / this are short; more than
    ///     `lowFrequencyFactor`.
    package init(
        factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Double
    ) {
        self.factor = factor
        self.lowFrequencyFactor = lowFrequencyFactor
        self.highFrequencyFactor = highFrequencyFactor
        self.originalContextLength = originalContextLength
    }

    /// `rope_scaling` of config.json.
    package var configuration: JSONObject {
        [
            "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(lowFrequencyFactor),
            "high_freq_factor": .number(highFrequencyFactor),
            "original_max_position_embeddings": Int(exactly: originalContextLength).map { .integer($0) }
                ?? .number(originalContextLength),
        ]
    }

    /// The divisor of each frequency of heads of `width` channels: [width / 2].
    package func factors(width: Int, theta: Double) -> [Float] {
        let length = originalContextLength
        let (longest, shortest) = (length / lowFrequencyFactor, length / highFrequencyFactor)
        return (0..<width / 2).map { place in
            let wavelength = Self.wavelength(place, width: width, theta: theta)
            if wavelength < shortest { return 1 }
            if wavelength > longest { return Float(factor) }
            let blend = (length / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
            return Float(1 / ((1 - blend) / factor + blend))
        }
    }

    /// How many positions a full turn of the frequency at a place takes.
    static func wavelength(_ place: Int, width: Int, theta: Double) -> Double {
        2 * Double.pi * pow(theta, Double(2 * place) / Double(width))
    }
}
