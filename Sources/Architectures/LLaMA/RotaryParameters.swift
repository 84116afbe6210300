import Tensors

/// How positions are turned into angles (RoFormer, arXiv 2104.09864, and its extensions to longer contexts).
public struct RotaryParameters: Sendable, Hashable {
    /// How the frequencies are stretched to reach beyond the context of the first training.
    public enum Scaling: Sendable, Hashable {
        /// Not at all.
        case none
        /// All frequencies divided by `factor` (arXiv 2306.15595).
        case linear(factor: Double)
        /// Low frequencies divided by `factor`, high ones kept, those between interpolated (LLaMA 3.1). The bounds are
        /// wavelengths `originalPositions / lowFactor` and `originalPositions / highFactor`.
        case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalPositions: Double)
    }

    /// The base of the geometric series of wavelengths.
    public let theta: Double
    /// How the frequencies are stretched.
    public let scaling: Scaling

    /// Creates parameters.
    public init(theta: Double, scaling: Scaling) {
        self.theta = theta
        self.scaling = scaling
    }

    /// Reads `rope_theta` and `rope_scaling`, or `rope_parameters`, which has both in newer files.
    init(_ reader: ConfigurationReader, headWidth: Int) throws {
        let parameters = try reader.object("rope_parameters")
        let fallback = try reader.number("rope_theta", in: 1...1e15, default: 10_000)
        theta = try parameters?.number("rope_theta", in: 1...1e15, default: fallback) ?? fallback
        for place in [reader, parameters].compactMap(\.self) {
            let part = try place.number("partial_rotary_factor", in: 0...1, default: 1)
            guard part == 1 else {
                throw LlamaConfiguration.unsupported("only a part of each head is rotated (partial_rotary_factor)")
            }
        }
        guard let scaling = try parameters ?? reader.object("rope_scaling") else {
            self.scaling = .none
            return
        }
        let type = try scaling.string("rope_type") ?? scaling.string("type") ?? "default"
        switch type {
        case "default": self.scaling = .none
        case "linear": self.scaling = .linear(factor: try scaling.number("factor", in: 1e-3...1e6))
        case "llama3":
            let low = try scaling.number("low_freq_factor", in: 1e-3...1e6)
            let high = try scaling.number("high_freq_factor", in: 1e-3...1e6)
            guard high > low else { throw scaling.invalid("high_freq_factor is not above low_freq_factor") }
            self.scaling = .llama3(
                factor: try scaling.number("factor", in: 1e-3...1e6), lowFactor: low, highFactor: high,
                originalPositions: try scaling.number("original_max_position_embeddings", in: 1...1e9))
        default:
            throw PVITError(
                .modelUnsupported, "rotary scaling of type \"\(type)\" is not implemented",
                remedy: "types that are: default, linear, llama3")
        }
    }
}

extension RotaryParameters.Scaling {
    /// The frequency that takes the place of `frequency`, in radians for each position.
    package func scaled(_ frequency: Double) -> Double {
        switch self {
        case .none: return frequency
        case .linear(let factor): return frequency / factor
        case .llama3(let factor, let lowFactor, let highFactor, let originalPositions):
            // The share of its wavelength's place between the two bounds: 0 is scaled fully, 1 not at all.
            let turns = originalPositions * frequency / (2 * .pi)
            let share = min(max((turns - lowFactor) / (highFactor - lowFactor), 0), 1)
            return (1 - share) * frequency / factor + share * frequency
        }
    }
}
