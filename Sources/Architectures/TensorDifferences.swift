import Storage
import Tensors

/// How the tensors of a checkpoint differ from those that a model must have.
struct TensorDifferences {
    /// The expected tensors that are absent.
    private(set) var missing: [TensorName] = []
    /// The tensors whose shape is not the expected one.
    private(set) var misshaped: [(tensor: TensorDescription, shape: [Int])] = []
    /// The tensors that the model does not have, sorted by name.
    let unexpected: [TensorName]

    /// Compares tensors with the expected ones.
    ///
    /// - Parameter ignoring: Whether a tensor that is not expected may be present.
    init(
        _ tensors: some Collection<TensorDescription>, expected: [ExpectedTensor],
        ignoring: (TensorName) -> Bool = { _ in false }
    ) {
        var rest = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        for wanted in expected {
            if let tensor = rest.removeValue(forKey: wanted.name) {
                if tensor.shape.dimensions != wanted.shape { misshaped.append((tensor, wanted.shape)) }
            } else {
                missing.append(wanted.name)
            }
        }
        unexpected = rest.keys.filter { !ignoring($0) }.sorted()
    }

    /// The first tensor at fault: a missing one, else a misshaped one, else an unexpected one.
    var first: TensorName? { missing.first ?? misshaped.first?.tensor.name ?? unexpected.first }

    /// All differences as one line; empty if there are none.
    var summary: String {
        let shapes = misshaped.map { "\($0.tensor.name) is \($0.tensor.shape), not \($0.shape)" }
        return [
            ("missing", missing.map(\.rawValue)), ("of another shape", shapes),
            ("unexpected", unexpected.map(\.rawValue)),
        ].filter { !$0.1.isEmpty }.map { "\($0): \($1.listed())" }.joined(separator: "; ")
    }
}
