import Architectures
import Checkpoints
import Testing

@Suite("LLaMA 3's rotary scaling in GGUF files")
struct RotaryScalingTests {
    /// A width of heads, a base of wavelengths and a scaling.
    struct Case: Sendable {
        let width: Int
        let theta: Double
        let scaling: RotaryParameters.Scaling

        init(_ width: Int, _ theta: Double, _ factor: Double, _ low: Double, _ high: Double, _ length: Double) {
            self.width = width
            self.theta = theta
            scaling = .llama3(factor: factor, lowFactor: low, highFactor: high, originalPositions: length)
        }
    }

    @Test(
        "the published factors are found again exactly, with any original length",
        arguments: [
            Case(128, 500_000, 8, 1, 4, 8192), Case(64, 500_000, 32, 1, 4, 8192), Case(128, 500_000, 8, 1, 4, 4096),
            Case(128, 500_000, 8, 1, 4, 16384), Case(64, 10_000, 4, 1, 4, 2048), Case(16, 10_000, 8, 1, 4, 32768),
            Case(128, 500_000, 16, 1, 4, 10_000), Case(128, 1_000_000, 2.5, 1, 4, 32768),
            Case(32, 10_000, 8, 1, 4, 5000),
        ])
    func published(_ example: Case) throws {
        let factors = example.scaling.divisors(width: example.width, theta: example.theta)
        let found = try #require(RotaryParameters.Scaling(divisors: factors, theta: example.theta))
        #expect(found == example.scaling)
    }

    @Test(
        "other factors give the same divisors, bit for bit or nearly, whatever numbers stand for them",
        arguments: [
            Case(128, 500_000, 8, 2, 4, 8192), Case(128, 500_000, 8, 1, 2, 8192), Case(64, 500_000, 32, 1, 1.01, 8192),
            Case(16, 10_000, 8, 0.5, 4, 20_000), Case(8, 10_000, 8, 1, 4, 6000), Case(128, 500_000, 8, 1.5, 7, 12_345),
        ])
    func others(_ example: Case) throws {
        let factors = example.scaling.divisors(width: example.width, theta: example.theta)
        let found = try #require(RotaryParameters.Scaling(divisors: factors, theta: example.theta))
        for (found, factor) in zip(found.divisors(width: example.width, theta: example.theta), factors) {
            #expect(abs(found - factor) <= 2e-6 * factor)
        }
    }

    @Test(
        "divisors of another kind are not taken for LLaMA 3's",
        arguments: [[1, 2, 1, 8], [1, 1, 8, 4], [1, 0.5, 8, 8], [1, .infinity, 8, 8], [2, 3, 5, 8], [1, 1, 1, 1]])
    func foreign(_ factors: [Float]) {
        #expect(RotaryParameters.Scaling(divisors: factors, theta: 10_000) == nil)
    }
}
