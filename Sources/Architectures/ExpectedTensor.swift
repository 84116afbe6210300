import Tensors

/// A tensor that a model must have.
package struct ExpectedTensor: Sendable, Hashable {
    /// Its name.
    package let name: TensorName
    /// Its extents, outermost first.
    package let shape: [Int]

    /// Creates a description.
    package init(_ name: String, _ shape: [Int]) {
        self.name = TensorName(name)
        self.shape = shape
    }
}

/// A weight and a bias: of a linear layer `y = W x + b`, or of a norm.
package struct WeightAndBias: Sendable, Hashable {
    /// `NAME.weight`: `[outputs, inputs]` of a linear layer, `[width]` of a norm.
    package let weight: ExpectedTensor
    /// `NAME.bias`: `[outputs]`, or `[width]` of a norm.
    package let bias: ExpectedTensor

    /// The tensors of a linear layer.
    init(linear name: String, inputs: Int, outputs: Int) {
        weight = ExpectedTensor(name + ".weight", [outputs, inputs])
        bias = ExpectedTensor(name + ".bias", [outputs])
    }

    /// The tensors of a norm.
    init(norm name: String, width: Int) {
        weight = ExpectedTensor(name + ".weight", [width])
        bias = ExpectedTensor(name + ".bias", [width])
    }

    /// Both, the weight first.
    package var tensors: [ExpectedTensor] { [weight, bias] }
}
