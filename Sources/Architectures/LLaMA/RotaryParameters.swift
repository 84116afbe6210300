import Storage

/// The rotary embedding of positions (RoFormer, arXiv 2104.09864, and its extensions to longer contexts).
package struct RotaryParameters: Sendable, Hashable {
    /// How the frequencies are scaled for contexts longer than those of the first training.
    package enum Scaling: Sendable, Hashable {
        /// The frequencies are not scaled.
        case none
        /// All frequencies are divided by `factor` (arXiv 2306.15595).
        case linear(factor: Double)
        /// Low frequencies are divided by `factor`, high ones are kept, those between are interpolated (LLaMA 3.1).
        /// The bounds are the wavelengths `originalPositions / lowFactor` and `originalPositions / highFactor`.
        case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalPositions: Double)
    }

    /// The base of the geometric series of wavelengths.
    package let theta: Double
    /// How the frequencies are scaled.
    package let scaling: Scaling

    /// Creates parameters.
    package init(theta: Double, scaling: Scaling) {
        self.theta = theta
        self.scaling = scaling
    }

    /// Reads `rope_parameters`, or the older members `rope_theta` and `rope_scaling` for what it leaves out.
    ///
    /// - Throws: `model.config` naming the member, `model.unsupported` for types of scaling that are not implemented.
    init(_ reader: ConfigurationReader, maximumPositions: Int) throws {
        let (newer, older) = (try reader.object("rope_parameters"), try reader.object("rope_scaling"))
        if let newer {
            let nested = newer.objectKeys
            guard nested.isEmpty else {
                throw LlamaConfiguration.unsupported(
                    "rope_parameters differ by layer type (\(nested.listed())), which is not supported")
            }
        }
        let isNewer = try newer != nil && (older == nil || Self.type(in: newer) != nil)
        let scaling = isNewer ? newer : older
        theta = try Self.theta(in: [newer, scaling, reader].compactMap(\.self))
        for source in [reader, scaling].compactMap(\.self) {
            let share = try source.number("partial_rotary_factor", in: 0...1, default: 1)
            guard share == 1 else {
                throw LlamaConfiguration.unsupported(
                    "partial_rotary_factor \(share) is not supported: only whole heads can be rotated")
            }
        }
        switch try Self.type(in: scaling) ?? "default" {
        case "default": self.scaling = .none
        case "linear":
            self.scaling = .linear(factor: try scaling?.number("factor", in: 1e-3...1e6) ?? 1)
        case "llama3":
            guard let scaling else { throw reader.invalid("rope_scaling is missing") }
            let low = try scaling.number("low_freq_factor", in: 1e-3...1e6)
            let high = try scaling.number("high_freq_factor", in: 1e-3...1e6)
            guard high > low else { throw scaling.invalid("high_freq_factor is not above low_freq_factor") }
            // The outer member wins over the one in `scaling`; the model's positions are the default. This is the
            // order of `transformers` 5.
            let length = "original_max_position_embeddings"
            let original = try scaling.number(length, in: 1...1e9, default: Double(maximumPositions))
            self.scaling = .llama3(
                factor: try scaling.number("factor", in: 1e-3...1e6), lowFactor: low, highFactor: high,
                originalPositions: try reader.number(length, in: 1...1e9, default: original))
        case let type:
            throw PVITError(
                .modelUnsupported, "\(isNewer ? "rope_parameters" : "rope_scaling") \"\(type)\" is not supported",
                remedy: "the supported types of rotary scaling are default, linear and llama3")
        }
    }

    private static func type(in scaling: ConfigurationReader?) throws -> String? {
        try scaling?.string("rope_type") ?? scaling?.string("type")
    }

    /// The first `rope_theta`. It must be finite and positive in single precision, in which models are trained and
    /// GGUF files store it.
    private static func theta(in readers: [ConfigurationReader]) throws -> Double {
        let range = Double(Float.leastNormalMagnitude)...Double(Float.greatestFiniteMagnitude)
        for reader in readers {
            let theta = try reader.number("rope_theta", in: range, default: 0)
            if theta > 0 { return theta }
        }
        return 10_000
    }
}

extension RotaryParameters.Scaling {
    /// The scaled frequency, in radians per position.
    package func scaled(_ frequency: Double) -> Double {
        switch self {
        case .none: return frequency
        case .linear(let factor): return frequency / factor
        case .llama3(let factor, let lowFactor, let highFactor, let originalPositions):
            // Where the wavelength lies between the two bounds: 0 is scaled fully, 1 not at all.
            let turns = originalPositions * frequency / (2 * .pi)
            let share = min(max((turns - lowFactor) / (highFactor - lowFactor), 0), 1)
            return (1 - share) * frequency / factor + share * frequency
        }
    }
}
