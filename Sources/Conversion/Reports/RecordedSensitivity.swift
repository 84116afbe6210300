import Storage
import Tensors

/// How much the model's predictions change when one matrix alone is stored as q4, as a container records it.
package struct RecordedSensitivity: Sendable, Hashable {
    /// The key in a container's metadata: `{"tokens": Int, "divergence": {NAME: Double, …}}`.
    package static let key = "provenance.sensitivity"

    /// The number of tokens that it was measured on; nil if the file does not say.
    package let tokenCount: Int?
    /// The mean Kullback-Leibler divergence of the next token's distribution, in nats, for each matrix.
    package let divergences: [TensorName: Double]

    /// A divergence above this cannot have been measured.
    private static let largestDivergence = 1e6

    /// Reads the value of `key`. Numbers that cannot be divergences and names of other tensors are left out.
    ///
    /// - Parameter names: The names of the model's tensors.
    /// - Returns: nil if nothing is left.
    package init?(parsing value: JSONValue?, names: Set<TensorName>) {
        var divergences: [TensorName: Double] = [:]
        for member in value?["divergence"]?.object?.members ?? [] {
            let name = TensorName(member.key)
            guard let divergence = member.value.double, (0...Self.largestDivergence).contains(divergence),
                names.contains(name)
            else { continue }
            divergences[name] = divergence
        }
        guard !divergences.isEmpty else { return nil }
        self.divergences = divergences
        tokenCount = value?["tokens"]?.integer.flatMap { $0 > 0 ? $0 : nil }
    }
}
