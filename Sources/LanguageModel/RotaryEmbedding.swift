import Architectures

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The cosines and sines that rotate heads of one width.
struct RotaryEmbedding: Sendable {
    /// The angle between neighbouring positions for each pair of channels: `[headWidth / 2]`.
    let frequencies: [Float]

    /// frequency[i] = theta^(-2i / headWidth), then scaled. Single precision, as the models were trained.
    init(_ parameters: RotaryParameters, headWidth: Int) {
        frequencies = (0..<headWidth / 2).map { index in
            let exponent = Float(2 * index) / Float(headWidth)
            let frequency = 1 / Float(pow(parameters.theta, Double(exponent)))
            return Float(parameters.scaling.scaled(Double(frequency)))
        }
    }

    /// Writes the cosines and sines of one position: `[headWidth / 2]` each.
    func angles(at position: Int, cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>) {
        for (index, frequency) in frequencies.enumerated() {
            let angle = Double(Float(position) * frequency)
            cosines[index] = Float(cos(angle))
            sines[index] = Float(sin(angle))
        }
    }
}
