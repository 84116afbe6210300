import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// A container that stores a fine-tuned model as lossless changes of its base (`formats/packed_delta.md`).
package struct PackedDelta: Sendable {
    /// The file.
    package let container: Container
    /// How far each tensor that the base has was moved.
    package let changes: [TensorName: ModelChange]
    /// The name of the folder or file of the base that it was made from; nil if it does not say.
    package var baseName: String? { base.name }
    let base: BaseDescription
    let tensors: [TensorDescription]
    private let pairs: [TensorName: BasePair]

    /// Reads the description of the base, and checks that it fits the tensors.
    ///
    /// - Parameter container: A container that needs a base.
    /// - Throws: `container.metadata-content` for a malformed description; the container's errors.
    package init(_ container: Container) throws {
        let metadata = try container.metadata
        let base: BaseDescription
        do {
            base = try BaseDescription(parsing: metadata[BaseDescription.key])
            changes = try Self.changes(metadata[ModelChange.key])
        } catch let error as PVITError {
            throw error.located(file: container.path)
        }
        let parameters = try container.tensors().filter { $0.role == .parameter }
        let tensors = try parameters.map { try Self.description(of: $0, in: container) }
        pairs = try Self.pairs(of: parameters, tensors, base: base, in: container)
        self.base = base
        self.tensors = tensors
        self.container = container
    }

    private static func description(of tensor: StoredTensor, in container: Container) throws -> TensorDescription {
        guard case .plain(let type) = tensor.encoding else {
            throw PVITError(
                .containerEncoding, "a packed delta cannot have a quantized tensor", file: container.path,
                tensor: tensor.name)
        }
        return try TensorDescription(name: tensor.name, elementType: type, shape: tensor.shape)
    }

    /// Pairs the tensors with those of the base. Every tensor with a tile that needs the base must have one.
    private static func pairs(
        of parameters: [StoredTensor], _ tensors: [TensorDescription], base: BaseDescription, in container: Container
    ) throws -> [TensorName: BasePair] {
        var pairs: [TensorName: BasePair] = [:]
        for (stored, tensor) in zip(parameters, tensors) {
            // An alias is stored relative to the same tensor as its target.
            if let entry = base.entries[stored.aliasOf ?? stored.name] {
                guard let pair = BasePair(target: tensor, base: entry.tensor) else {
                    throw BaseDescription.malformed(
                        "the tensor \"\(stored.name)\" cannot be stored relative to the base's of shape "
                            + "\(entry.tensor.shape)", file: container.path)
                }
                pairs[tensor.name] = pair
                continue
            }
            for number in 0..<stored.tileCount where try container.tile(number, of: stored).codec.needsBase {
                throw BaseDescription.malformed(
                    "it does not describe the base of the tensor \"\(stored.name)\"", file: container.path)
            }
        }
        return pairs
    }

    private static func changes(_ value: JSONValue?) throws -> [TensorName: ModelChange] {
        guard let value else { return [:] }
        guard let object = value.object else { throw BaseDescription.malformed("\(ModelChange.key) is not an object") }
        var changes: [TensorName: ModelChange] = [:]
        for member in object.members {
            guard let change = ModelChange(parsing: member.value) else {
                throw BaseDescription.malformed("the change of the tensor \"\(member.key)\" is malformed")
            }
            changes[TensorName(member.key)] = change
        }
        return changes
    }

    /// The fine-tuned model, decoded when it is read.
    ///
    /// - Throws: `merge.other-base` if the base is not the one that the delta was made from, as far as samples tell.
    ///   The checkpoint's tensors throw `container.other-base` for the rest.
    func merged(with base: Checkpoint) throws -> Checkpoint {
        try self.base.check(base.weights, path: base.path)
        return try Checkpoint(
            path: container.path, format: "base + packed delta",
            weights: PackedDeltaSource(tensors: tensors, pairs: pairs, of: container, base: base.weights),
            sideFiles: sideFiles(),
            sourceFiles: base.sourceFiles.map { $0.with(role: "base") } + [sourceFile.with(role: "delta")])
    }

    var sourceFile: Checkpoint.SourceFile {
        Checkpoint.SourceFile(path: container.path, byteCount: UInt64(container.byteCount))
    }

    /// The side files of the fine-tuned model, byte for byte.
    func sideFiles() throws -> SideFiles {
        var files = SideFiles()
        for name in SideFiles.names { files[name] = try container.attachment(name) }
        return files
    }
}

/// The tensors of a packed delta that was not merged with its base: they are known, and cannot be read.
package struct UnmergedDelta: TensorSource {
    let delta: PackedDelta

    package init(delta: PackedDelta) { self.delta = delta }

    /// The tensors of the fine-tuned model.
    package var tensors: [TensorDescription] { delta.tensors }

    /// Throws `container.packed-delta`.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        throw PVITError(
            .packedDelta, "a packed delta cannot be read without its base", file: delta.container.path,
            tensor: tensor.name)
    }
}
