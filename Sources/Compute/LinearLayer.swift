import CKernels
import Container
import Storage
import Tensors

/// A matrix and a bias of a container, `y = W x + b`. It takes features of an image encoder into the decoder's space.
package struct LinearLayer: Sendable {
    /// The length of an input vector.
    package let inputs: Int
    /// The length of an output vector.
    package let outputs: Int
    private let projection: Projection
    private let bias: Matrix  // [1, outputs]

    /// Opens the layer with a weight, `[outputs, inputs]`, and a bias, `[outputs]`.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` if they do not have these shapes or cannot be multiplied.
    package init(
        weight: TensorName, bias biasName: TensorName, inputs: Int, outputs: Int, in container: Container
    ) throws {
        self.inputs = inputs
        self.outputs = outputs
        projection = Projection(
            try WeightMatrix(weight, shape: [outputs, inputs], in: container))
        bias = try container.vector(biasName, count: outputs)
    }

    /// Applies the layer to vectors: `[rows, inputs]` → `[rows, outputs]`.
    ///
    /// - Throws: `tensor.mismatch` if the rows are not `inputs` long; the errors of the container's tiles.
    package func callAsFunction(_ x: Matrix, _ engine: ComputeEngine) throws -> Matrix {
        guard x.columns == inputs else {
            throw PVITError(
                .tensorMismatch, "rows of \(x.columns) numbers cannot be multiplied; the layer takes \(inputs)")
        }
        let result = Matrix(rows: x.rows, columns: outputs)
        guard x.rows > 0 else { return result }
        try engine.multiply(projection, x, into: result)
        for row in 0..<x.rows { engine.kernels.add(result.row(row), bias.start, outputs) }
        return result
    }
}
