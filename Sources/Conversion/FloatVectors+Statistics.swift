import Tensors

extension FloatVectors {
    /// The errors of `decoded` against `originals`. The order of summation depends only on the count.
    static func statistics(of originals: Span<Float>, decoded: Span<Float>) -> ErrorStatistics {
        var squaredErrors = SIMD8<Double>(repeating: 0)
        var squares = SIMD8<Double>(repeating: 0)
        var maximum = SIMD8<Float>(repeating: 0)
        func add(_ original: SIMD8<Float>, _ decoded: SIMD8<Float>) {
            let difference = original - decoded
            let magnitude = difference.replacing(with: -difference, where: difference .< 0)
            maximum = pointwiseMax(maximum, magnitude)
            let wide = SIMD8<Double>(difference)
            squaredErrors += wide * wide
            let original = SIMD8<Double>(original)
            squares += original * original
        }
        func vector(_ floats: Span<Float>, from start: Int) -> SIMD8<Float> {
            var result = SIMD8<Float>(repeating: 0)
            for lane in 0..<min(8, floats.count - start) { result[lane] = floats[start + lane] }
            return result
        }
        let count = min(originals.count, decoded.count)
        for start in stride(from: 0, to: count, by: 8) {
            add(vector(originals, from: start), vector(decoded, from: start))
        }
        return ErrorStatistics(
            squaredError: squaredErrors.sum(), maximumError: Double(maximum.max()), squaredSum: squares.sum(),
            count: count)
    }
}
