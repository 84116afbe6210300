import Container
import Storage
import Tensors

/// The choice of q4 or q8 for each matrix, so that all of them together have a mean number of bits per weight.
package struct BitAllocation: Sendable {
    /// The chosen types.
    package let types: [TensorName: TensorEncoding]
    /// The mean number of bits per weight that they have, at most the target.
    package let bitsPerWeight: Double

    /// Matrices that can have both types, and what all of them together may take.
    struct Matrices {
        private struct Matrix {
            let name: TensorName
            /// The size as q4, in bytes.
            let byteCount: Int
            /// How much larger it is as q8.
            let increase: Int
        }

        private let matrices: [Matrix]
        private let elementCount: Int
        private let target: Double

        /// The names of the matrices.
        var names: [TensorName] { matrices.map(\.name) }

        private var smallest: Int { matrices.reduce(0) { $0 + $1.byteCount } }

        private func bitsPerWeight(_ byteCount: Int) -> Double { 8 * Double(byteCount) / Double(max(elementCount, 1)) }

        /// - Throws: `quantize.bits` for a target that q4 alone exceeds, or if there are no matrices.
        init(_ entries: [QuantizePlan.Entry], bitsPerWeight target: Double) throws {
            self.target = target
            matrices = try entries.map { entry in
                let small = try TileLayout(encoding: .q4, shape: entry.tensor.shape).byteCount
                let large = try TileLayout(encoding: .q8, shape: entry.tensor.shape).byteCount
                return Matrix(name: entry.tensor.name, byteCount: small, increase: large - small)
            }
            elementCount = entries.reduce(0) { $0 + $1.tensor.shape.elementCount }
            guard !matrices.isEmpty else {
                throw PVITError(
                    .badBits, "the model has no matrix whose type can be chosen", remedy: "leave out --bits")
            }
            guard bitsPerWeight(smallest) <= target else {
                let least = ((100 * bitsPerWeight(smallest)).rounded(.up) / 100).formatted(decimals: 2)
                throw PVITError(
                    .badBits, "\(target) bits per weight are too few: q4 alone needs \(least)",
                    remedy: "choose --bits \(least) or more")
            }
        }

        /// Gives q8 to the matrices whose divergence falls most for each byte more, as far as the target allows, and
        /// q4 to the others.
        ///
        /// - Parameter divergences: How much each matrix makes the model diverge in q4. In q8 it is taken to be zero:
        ///   it is some 200 times smaller.
        func allocation(by divergences: [TensorName: Double]) -> BitAllocation {
            let gains = matrices.map { (divergences[$0.name] ?? 0) / Double(max($0.increase, 1)) }
            var types: [TensorName: TensorEncoding] = [:]
            var byteCount = smallest
            for index in matrices.indices.sorted(by: { (-gains[$0], $0) < (-gains[$1], $1) }) {
                let increased = byteCount + matrices[index].increase
                let fits = bitsPerWeight(increased) <= target
                types[matrices[index].name] = fits ? .q8 : .q4
                if fits { byteCount = increased }
            }
            return BitAllocation(types: types, bitsPerWeight: bitsPerWeight(byteCount))
        }
    }
}
