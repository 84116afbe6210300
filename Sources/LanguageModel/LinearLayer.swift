import Container
import Tensors

/// A matrix and a bias of a container, `y = W x + b`: what takes features of another model into the decoder's space.
public struct LinearLayer: Sendable {
    /// The length of what goes in.
    public let inputs: Int
    /// The length of what comes out.
    public let outputs: Int
    private let projection: Projection
    private let bias: [Float]  // [outputs]

    /// The layer with the tensors `NAME.weight`, `[outputs, inputs]`, and `NAME.bias`, `[outputs]`.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when they do not have these shapes or are no weights.
    public init(_ name: String, inputs: Int, outputs: Int, in container: Container) throws {
        self.inputs = inputs
        self.outputs = outputs
        projection = Projection(
            try WeightMatrix(TensorName(name + ".weight"), shape: [outputs, inputs], in: container))
        bias = try container.vector(name + ".bias", count: outputs, TileScratch())
    }

    /// Takes vectors through the layer: `[rows, inputs]` → `[rows, outputs]`, both row by row.
    ///
    /// - Throws: `tensor.mismatch` when `values` are not whole rows, and errors of the container's tiles.
    public func callAsFunction(_ values: [Float], _ engine: ComputeEngine) throws -> [Float] {
        let (rows, rest) = values.count.quotientAndRemainder(dividingBy: inputs)
        guard rest == 0 else {
            throw PVITError(.tensorMismatch, "\(values.count) numbers are not rows of \(inputs)")
        }
        guard rows > 0 else { return [] }
        let x = ActivationMatrix(capacity: rows, columns: inputs)
        let y = ActivationMatrix(capacity: rows, columns: outputs)
        for row in 0..<rows { x.fill(row: row, with: values.span.extracting(row * inputs..<(row + 1) * inputs)) }
        try engine.multiply(projection, x, into: y)
        var result: [Float] = []
        result.reserveCapacity(rows * outputs)
        for row in 0..<rows {
            y.withRow(row) { values in
                for column in 0..<outputs { result.append(values[column] + bias[column]) }
            }
        }
        return result
    }
}
