import Architectures
import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Causal attention within sequences of one length, from positions that begin at 0.
struct SequenceAttention: Sendable {
    private let configuration: LlamaConfiguration
    private let kernels: pvit_kernels
    private let length: Int
    /// [length, headWidth / 2]
    private let cosines: [Float]
    private let sines: [Float]

    /// - Parameter length: The number of tokens in a sequence.
    init(_ configuration: LlamaConfiguration, length: Int, kernels: pvit_kernels) {
        self.configuration = configuration
        self.kernels = kernels
        self.length = length
        let width = configuration.headWidth
        let angles = (0..<length).flatMap { position in
            (0..<width / 2).map {
                let frequency = pow(configuration.rotary.theta, -2 * Double($0) / Double(width))
                return Double(position) * configuration.rotary.scaling.scaled(frequency)
            }
        }
        cosines = angles.map { Float(cos($0)) }
        sines = angles.map { Float(sin($0)) }
    }

    /// Computes one key/value head of one sequence, and rotates its queries and keys in place.
    ///
    /// - Parameters:
    ///   - queries: [length, headCount * headWidth], of the sequence.
    ///   - keys: [length, keyValueHeadCount * headWidth].
    ///   - values: The same.
    ///   - result: [length, headCount * headWidth], of which the columns of the head's queries are written.
    func attend(
        head: Int, queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>,
        values: UnsafePointer<Float>, result: UnsafeMutablePointer<Float>
    ) {
        let width = configuration.headWidth
        let shared = configuration.headCount / configuration.keyValueHeadCount
        let queryStride = configuration.headCount * width
        let keyStride = configuration.keyValueHeadCount * width
        let start = head * shared * width
        let group = Int(PVIT_KEY_GROUP)
        // The keys in groups of positions, which is the layout that attention reads.
        var keyGroups = [Float](repeating: 0, count: (length + group - 1) / group * group * width)
        var valueRows = [Float](repeating: 0, count: length * width)
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                for position in 0..<length {
                    let cosines = cosines.baseAddress?.advanced(by: position * width / 2)
                    let sines = sines.baseAddress?.advanced(by: position * width / 2)
                    let key = keys + position * keyStride + head * width
                    kernels.rope(queries + position * queryStride + start, shared, width, cosines, sines)
                    kernels.rope(key, 1, width, cosines, sines)
                    let value = values + position * keyStride + head * width
                    for column in 0..<width {
                        keyGroups[(position / group * width + column) * group + position % group] = key[column]
                        valueRows[position * width + column] = value[column]
                    }
                }
            }
        }
        var scratch = [Float](repeating: 0, count: pvit_attention_scratch(shared * length, width))
        kernels.attend(
            queries + start, length, shared, queryStride, keyGroups, valueRows, PVIT_KV_F32, width, 1,
            1 / Float(width).squareRoot(), &scratch, result + start)
    }
}
