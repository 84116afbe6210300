import Architectures
import Compute
import Container
import Storage
import Tensors

/// A linear layer of an image encoder: `y = x weightᵀ + bias`.
struct TowerLinear: Sendable {
    let weight: WeightMatrix  // [outputs, inputs]
    let bias: Matrix  // [1, outputs]

    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ layer: WeightAndBias, in container: Container) throws {
        weight = try container.weights(layer.weight)
        bias = try container.vector(layer.bias)
    }
}

/// The weight and bias of a layer norm: `[1, features]` each.
struct TowerNorm: Sendable {
    let weight: Matrix
    let bias: Matrix

    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ norm: WeightAndBias, in container: Container) throws {
        weight = try container.vector(norm.weight)
        bias = try container.vector(norm.bias)
    }
}

extension Container {
    /// A vector of an image encoder as float32: `[1, count]`.
    ///
    /// - Throws: `tensor.not-found` and `tensor.mismatch`.
    func vector(_ tensor: ExpectedTensor) throws -> Matrix { try vector(tensor.name, count: tensor.shape[0]) }

    /// The weights of a linear layer or a convolution of an image encoder.
    ///
    /// - Throws: `tensor.not-found` and `tensor.mismatch`.
    func weights(_ tensor: ExpectedTensor) throws -> WeightMatrix {
        try WeightMatrix(tensor.name, shape: tensor.shape, in: self)
    }

    /// The kernels of a convolution: `[outputs, channels, height, width]`, or channels last if they are quantized
    /// (`QuantizedKernels`).
    ///
    /// - Throws: `tensor.not-found` and `tensor.mismatch`.
    func kernels(_ tensor: ExpectedTensor) throws -> WeightMatrix {
        guard let stored = try self.tensor(named: tensor.name), stored.encoding.isQuantized else {
            return try weights(tensor)
        }
        guard stored.encoding == .q8, let shape = QuantizedKernels.shape(of: tensor.shape) else {
            throw PVITError(
                .tensorMismatch, "kernels of the shape \(tensor.shape) cannot be \(stored.encoding)",
                tensor: tensor.name)
        }
        return try WeightMatrix(tensor.name, shape: shape, in: self)
    }
}
