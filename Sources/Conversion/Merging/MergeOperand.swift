import Checkpoints
import Storage
import SystemPackage
import Tensors

/// A base, a delta or a target, with its floating-point numbers cast to float16 as PVIT's own scripts load them.
struct MergeOperand: TensorSource {
    /// The element type of all sums and differences.
    static let elementType = ElementType.f16

    let tensors: [TensorDescription]
    /// The tensors that are cast.
    let cast: Set<TensorName>
    private let source: any TensorSource
    private let role: String
    private let path: FilePath

    /// - Parameter role: The checkpoint's name in messages: `base`, `delta`, `target`.
    /// - Throws: `tensor.mismatch` when a tensor becomes too large to address.
    init(_ checkpoint: Checkpoint, role: String) throws {
        let types = Dictionary(checkpoint.weights.tensors.map { ($0.name, $0.elementType) }) { first, _ in first }
        let converted = try ConvertedSource(checkpoint.weights, as: Self.elementType)
        cast = Set(converted.tensors.filter { types[$0.name] != $0.elementType }.map(\.name))
        // Tensors that need no cast are read in place.
        source = cast.isEmpty ? checkpoint.weights : converted
        tensors = source.tensors
        self.role = role
        path = checkpoint.path
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        do {
            try source.readRows(rows, of: tensor, into: &destination)
        } catch let error as PVITError {
            throw explained(error)
        }
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        do {
            return try source.withRows(rows, of: tensor, scratch: &scratch, body)
        } catch let error as PVITError {
            throw explained(error)
        }
    }

    /// Explains that a number is too large for float16, in which sums are computed. PyTorch silently makes it infinite.
    private func explained(_ error: PVITError) -> PVITError {
        guard error.code == .numberTooLarge else { return error.located(file: path) }
        return PVITError(
            .mergeOverflow, "in the \(role), \(error.what), in which base and delta are added",
            file: path, tensor: error.tensor,
            remedy: "PVIT's own script would make it infinite; give weights within ±65504")
    }
}
