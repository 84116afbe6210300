import Architectures
import CheckpointTestSupport
import Compute
import TestSupport
import Testing

@testable import LanguageModel

@Suite("Rotary embeddings")
struct RotaryEmbeddingTests {
    /// The frequencies as `transformers` defines them (`modeling_rope_utils.py`), in numpy.
    private static let definition = """
        import math, sys, numpy as np
        kind, width, theta, factor, low, high, original = sys.argv[1], *map(float, sys.argv[2:])
        f = 1.0 / (np.float32(theta) ** (np.arange(0, int(width), 2).astype(np.float32) / np.float32(width)))
        if kind == "linear":
            f = f / np.float32(factor)
        if kind == "llama3":
            wavelength = 2 * math.pi / f
            scaled = np.where(wavelength > original / low, f / factor, f)
            smooth = (original / wavelength - low) / (high - low)
            between = (1 - smooth) * scaled / factor + smooth * scaled
            is_between = ~(wavelength < original / high) & ~(wavelength > original / low)
            f = np.where(is_between, between, scaled)
        print(" ".join(repr(float(x)) for x in f))
        """

    private func expected(_ arguments: [Double], _ kind: String) throws -> [Float] {
        let texts = arguments.map { "\($0)" }
        return try Python.run(
            Self.definition, kind, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]
        ).split(separator: " ").compactMap { Float($0.filter { !$0.isNewline }) }
    }

    @Test(
        "frequencies are those of transformers", .enabled(if: Python.isPresent),
        arguments: [
            ("none", 64, 10_000.0, RotaryParameters.Scaling.none), ("none", 128, 500_000, .none),
            ("linear", 128, 10_000, .linear(factor: 4)),
            ("llama3", 128, 500_000, .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalPositions: 8192)),
            ("llama3", 64, 500_000, .llama3(factor: 32, lowFactor: 1, highFactor: 4, originalPositions: 8192)),
        ])
    func frequencies(_ kind: String, _ width: Int, _ theta: Double, _ scaling: RotaryParameters.Scaling) throws {
        var numbers: [Double] = [Double(width), theta, 1, 1, 2, 1]
        switch scaling {
        case .none: break
        case .linear(let factor): numbers[2] = factor
        case .llama3(let factor, let low, let high, let original): numbers[2...5] = [factor, low, high, original]
        }
        let expected = try expected(numbers, kind)
        let rotary = RotaryEmbedding(RotaryParameters(theta: theta, scaling: scaling), headWidth: width)
        #expect(expected.count == width / 2)
        for (ours, theirs) in zip(rotary.frequencies, expected) { #expect(abs(ours / theirs - 1) < 1e-6) }
    }

    @Test("angles are position times frequency")
    func angles() {
        let rotary = RotaryEmbedding(RotaryParameters(theta: 10_000, scaling: .none), headWidth: 4)
        let angles = Matrix(rows: 1, columns: 4)
        rotary.angles(at: 3, cosines: angles.start, sines: angles.start + 2)
        // Frequencies 1 and 1/100: cos 3, cos 0.03, sin 3, sin 0.03.
        let expected: [Float] = [-0.989_992_5, 0.999_550_03, 0.141_120_01, 0.029_995_5]
        angles.withRow(0) { #expect(largestDistance($0.array, expected) < 1e-6) }
    }
}
