import Architectures
import Storage
import Tensors

/// A source with the kernels of some convolutions in the order in which a container holds them in 8 bits
/// (`QuantizedKernels`), or back in that of checkpoints.
struct ReorderedKernels: TensorSource {
    let tensors: [TensorDescription]
    private let original: any TensorSource
    private let reordered: [TensorName: Reordering]

    /// How the rows of a tensor change.
    private struct Reordering {
        let original: TensorDescription
        /// Those of a checkpoint, without padding.
        let channels: Int
        let padded: Int
        let kernelArea: Int
        /// Whether the channels come last in the new order.
        let isChannelsLast: Bool
    }

    /// Puts the channels of kernels last.
    ///
    /// - Parameter names: Of `[outputs, channels, height, width]`; other tensors stay as they are.
    /// - Throws: `tensor.mismatch` if a tensor becomes too large to address.
    static func channelsLast(_ original: any TensorSource, _ names: Set<TensorName>) throws -> ReorderedKernels {
        try ReorderedKernels(original) { tensor in
            guard names.contains(tensor.name), let shape = QuantizedKernels.shape(of: tensor.shape.dimensions) else {
                return nil
            }
            return (shape, isChannelsLast: true)
        }
    }

    /// Undoes `channelsLast` for the tensors that differ from the expected ones in just that.
    ///
    /// - Throws: `tensor.mismatch` if a tensor becomes too large to address.
    static func channelsFirst(_ original: any TensorSource, _ expected: [ExpectedTensor]) throws -> ReorderedKernels {
        let shapes = Dictionary(expected.map { ($0.name, $0.shape) }) { first, _ in first }
        return try ReorderedKernels(original) { tensor in
            guard let shape = shapes[tensor.name], shape != tensor.shape.dimensions,
                QuantizedKernels.shape(of: shape) == tensor.shape.dimensions
            else { return nil }
            return (shape, isChannelsLast: false)
        }
    }

    private init(
        _ original: any TensorSource, _ order: (TensorDescription) -> (shape: [Int], isChannelsLast: Bool)?
    ) throws {
        self.original = original
        var reordered: [TensorName: Reordering] = [:]
        tensors = try original.tensors.map { tensor in
            // Other types are refused later.
            guard [.f16, .bf16, .f32].contains(tensor.elementType),
                let (dimensions, isChannelsLast) = order(tensor), let shape = Shape(dimensions)
            else { return tensor }
            let (before, after) = (tensor.shape.dimensions, dimensions)
            let (first, last) = isChannelsLast ? (before, after) : (after, before)
            reordered[tensor.name] = Reordering(
                original: tensor, channels: first[1], padded: last[3], kernelArea: first[2] * first[3],
                isChannelsLast: isChannelsLast)
            return try TensorDescription(name: tensor.name, elementType: tensor.elementType, shape: shape)
        }
        self.reordered = reordered
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard reordered[tensor.name] == nil else {
            return try withCopiedRows(rows, of: tensor, scratch: &scratch, body)
        }
        return try original.withRows(rows, of: tensor, scratch: &scratch, body)
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let order = reordered[tensor.name] else {
            return try original.readRows(rows, of: tensor, into: &destination)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        let source = try original.bytes(ofRows: rows, of: order.original)
        destination.withUnsafeMutableBytes { target in
            target.initializeMemory(as: UInt8.self, repeating: 0)
            source.withUnsafeBytes { source in
                switch tensor.elementType.byteCount {
                case 2: Self.copy(source.bindMemory(to: UInt16.self), to: target.bindMemory(to: UInt16.self), order)
                default: Self.copy(source.bindMemory(to: UInt32.self), to: target.bindMemory(to: UInt32.self), order)
                }
            }
        }
    }

    /// Copies whole rows from one order to the other; padding is left as it is.
    private static func copy<Number>(
        _ source: UnsafeBufferPointer<Number>, to target: UnsafeMutableBufferPointer<Number>, _ order: Reordering
    ) {
        let (first, last) = (order.channels * order.kernelArea, order.padded * order.kernelArea)
        guard first > 0 else { return }
        for row in 0..<source.count / (order.isChannelsLast ? first : last) {
            for position in 0..<order.kernelArea {
                for channel in 0..<order.channels {
                    let inFirst = row * first + channel * order.kernelArea + position
                    let inLast = row * last + position * order.padded + channel
                    if order.isChannelsLast {
                        target[inLast] = source[inFirst]
                    } else {
                        target[inFirst] = source[inLast]
                    }
                }
            }
        }
    }
}
