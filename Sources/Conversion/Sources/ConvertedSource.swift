import Checkpoints
import Storage
import Tensors

/// A source whose floating-point tensors are converted to another floating-point type, rounded to nearest even.
package struct ConvertedSource: TensorSource {
    /// The tensors of the original; f16, bf16 and f32 ones with the new type.
    package let tensors: [TensorDescription]
    private let original: any TensorSource
    private let originalTensors: [TensorName: TensorDescription]
    private let type: GGUFType

    /// Creates a source that reads `original`.
    ///
    /// - Parameter type: f16, bf16 or f32.
    /// - Throws: `tensor.mismatch` for other types, or when a tensor becomes too large to address.
    package init(_ original: any TensorSource, as type: ElementType) throws {
        switch type {
        case .f16: self.type = .f16
        case .bf16: self.type = .bf16
        case .f32: self.type = .f32
        default: throw PVITError(.tensorMismatch, "tensors cannot be converted to \(type)")
        }
        self.original = original
        tensors = try original.tensors.map { tensor in
            guard Self.isConverted(tensor) else { return tensor }
            return try TensorDescription(name: tensor.name, elementType: type, shape: tensor.shape)
        }
        originalTensors = Dictionary(original.tensors.map { ($0.name, $0) }) { first, _ in first }
    }

    private static func isConverted(_ tensor: TensorDescription) -> Bool {
        [.f16, .bf16, .f32].contains(tensor.elementType)
    }

    /// Lends rows of tensors that keep their type without a copy (`TensorSource.withRows`).
    package func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        if let originalTensor = originalTensors[tensor.name], originalTensor == tensor {
            return try original.withRows(rows, of: originalTensor, scratch: &scratch, body)
        }
        return try withCopiedRows(rows, of: tensor, scratch: &scratch, body)
    }

    /// Reads and converts rows (`TensorSource.readRows`).
    ///
    /// - Throws: Also `quantize.overflow` for a number that the type cannot hold and `quantize.not-finite`.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let originalTensor = originalTensors[tensor.name], originalTensor.shape == tensor.shape else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        guard originalTensor.elementType != tensor.elementType else {
            return try original.readRows(rows, of: tensor, into: &destination)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        do {
            let bytes = try original.bytes(ofRows: rows, of: originalTensor)
            let converted = try FloatConversion.convert(bytes, from: originalTensor.elementType, to: type)
            converted.withUnsafeBytes { source in
                destination.withUnsafeMutableBytes { $0.copyMemory(from: source) }
            }
        } catch let error as PVITError {
            throw error.located(tensor: tensor.name)
        }
    }
}

extension Checkpoint {
    /// The same checkpoint with its floating-point tensors and its configuration in another type.
    ///
    /// - Throws: As `ConvertedSource.init`.
    package func converted(to type: ElementType) throws -> Checkpoint {
        var files = sideFiles
        if var config {
            config.correctElementType(type, addsIfAbsent: true)
            files.setConfig(config)
        }
        return try Checkpoint(
            path: path, format: format, weights: try ConvertedSource(weights, as: type), sideFiles: files,
            sourceFiles: sourceFiles)
    }
}
