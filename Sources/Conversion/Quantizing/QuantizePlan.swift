import Architectures
import Checkpoints
import Container
import Quantization
import Storage
import Tensors

/// The content of a container, planned before any weight is read.
package struct QuantizePlan: Sendable {
    /// A tensor to be written.
    package struct Entry: Sendable {
        /// The tensor in the source.
        package let tensor: TensorDescription
        /// Its type in the container.
        package let encoding: TensorEncoding
        /// How its tiles are compressed.
        package let compression: Compression
        let layout: TileLayout
        /// Whether an override chose the type.
        let isOverridden: Bool
    }

    /// The tensors in the order of the file, which is that of a forward pass.
    package let entries: [Entry]
    /// Aliases of tensors: the output layer of a tied model.
    package let aliases: [(name: TensorName, target: TensorName)]
    /// Matrices that stay in their source's float type because their rows are not a multiple of 32 long.
    package let keptFloat: [TensorName]
    /// Tensors of the source that are left out because they are never read.
    package let leftOut: [TensorName]

    /// The sizes and constants of the language model.
    let configuration: LlamaConfiguration

    /// The matrices of the language model that are quantized, and whose type no override chooses.
    var adjustableEntries: [Entry] {
        entries.filter { entry in
            guard entry.encoding.isQuantized, !entry.isOverridden else { return false }
            return switch TensorKind(entry.tensor.name) {
            case .linear, .embedding, .output: true
            case .norm, .projector, .tower, .unread, .other: false
            }
        }
    }

    /// Whether importance is used: some matrix of a layer is quantized, and the importance is known, or the model's
    /// sizes allow to measure it.
    package func usesImportance(from source: ImportanceSource) -> Bool {
        let quantizesLayers = entries.contains { entry in
            guard case .linear = TensorKind(entry.tensor.name) else { return false }
            return entry.encoding.isQuantized
        }
        if case .matrix = source { return quantizesLayers }
        return quantizesLayers && configuration.canMeasureImportance
    }

    /// The texts that the layers are calibrated on; nil if they are not.
    func texts(of source: ImportanceSource) -> Calibration? { usesImportance(from: source) ? source.texts : nil }

    /// The output matrix: the embeddings if they are tied.
    var outputName: TensorName {
        aliases.first { $0.name == TensorKind.outputName }?.target ?? TensorKind.outputName
    }

    /// Reads the tensors of the plan as numbers.
    ///
    /// - Parameter source: What the plan was made for.
    func reader(of source: any TensorSource) -> WeightReader {
        let tensors = Dictionary(uniqueKeysWithValues: entries.map { ($0.tensor.name, $0.tensor) })
        return { name, rows in
            guard let tensor = tensors[name] else {
                throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: name)
            }
            return try FloatVectors.floats(of: source, tensor, rows: rows)
        }
    }

    /// Entries that follow one another.
    struct Section {
        let entries: Range<Int>
        /// The layer that they belong to; nil outside layers.
        let layer: Int?
        /// The bytes of the source before and in them.
        let sourceBytesBefore: UInt64
        let sourceBytes: UInt64

        /// The bytes of the source that are done when a share of the section is.
        func doneByteCount(share: Double) -> UInt64 { sourceBytesBefore + UInt64(Double(sourceBytes) * share) }
    }

    /// All entries as one section.
    var whole: Section { section(entries.indices, layer: nil) }

    /// A section for each layer, and sections for what is before, between and after them.
    var sections: [Section] {
        let layers = entries.map { LlamaLayerTensor.parse($0.tensor.name)?.layer }
        let starts = entries.indices.filter { $0 == 0 || layers[$0] != layers[$0 - 1] }
        return zip(starts, starts.dropFirst() + [entries.count]).map { section($0..<$1, layer: layers[$0]) }
    }

    private func section(_ range: Range<Int>, layer: Int?) -> Section {
        func byteCount(_ range: Range<Int>) -> UInt64 { entries[range].reduce(0) { $0 + UInt64($1.tensor.byteCount) } }
        return Section(
            entries: range, layer: layer, sourceBytesBefore: byteCount(0..<range.lowerBound),
            sourceBytes: byteCount(range))
    }

    /// The approximate maximum size of the container in bytes, without metadata.
    package var byteCount: UInt64 { entries.reduce(0) { $0 + UInt64($1.layout.byteCount) + 8192 } }

    /// The size of the tensors that are read, in bytes.
    package var sourceByteCount: UInt64 { entries.reduce(0) { $0 + UInt64($1.tensor.byteCount) } }

    /// Plans types and order.
    ///
    /// Linear matrices get `options.type`. Input embeddings and output layer get q8 if that type is q4 or q8, otherwise
    /// the same float type. Norms become f32 with type f32, otherwise they keep their source's type; projectors always
    /// do. Matrices and convolutions of towers are q8 if the tower says so (`Tower.quantized`), otherwise f32 with type
    /// f32 (or `options.towerType`) and f16 without; their vectors keep their type, or become f32 as well.
    /// Overrides are applied last.
    ///
    /// - Parameter chosen: Types of matrices that were chosen by their sensitivity, instead of those above.
    /// - Throws: `checkpoint.config`, `model.config`, `model.unsupported` or `checkpoint.tensors` when the checkpoint
    ///   is not a complete model of a supported family; `tower.mismatch` for towers that do not fit the model;
    ///   `quantize.override` for a pattern that matches no tensor; `quantize.type` for a type that a tensor cannot
    ///   have.
    package init(
        for checkpoint: Checkpoint, towers: [Tower] = [], options: QuantizeOptions,
        chosen: [TensorName: TensorEncoding] = [:]
    ) throws {
        let checkpoint = try checkpoint.resolvingOutputLayer()
        let architecture = try CheckpointDiagnosis.decoder(checkpoint)
        configuration = architecture.configuration
        let source = checkpoint.weights.tensors
        let wanted = source.filter { TensorKind($0.name) != .unread }
        var policy = TypePolicy(
            options: options, chosen: chosen, quantizedOfTowers: Set(towers.flatMap(\.quantizedNames)))
        for tower in towers { try tower.checkSuits(architecture.configuration, of: checkpoint) }
        entries = try (TensorKind.executionOrder(wanted) + towers.flatMap(\.storedTensors)).map { tensor in
            do {
                let override = try policy.override(of: tensor)
                let encoding = override ?? policy.ordinaryEncoding(for: tensor)
                return Entry(
                    tensor: tensor, encoding: encoding,
                    compression: policy.compression(for: tensor.name, isTied: architecture.isTied),
                    layout: try TileLayout(encoding: encoding, shape: tensor.shape), isOverridden: override != nil)
            } catch let error as PVITError {
                throw error.located(tensor: tensor.name)
            }
        }
        try policy.checkOverrides()
        aliases = architecture.isTied ? [(TensorKind.outputName, TensorKind.embeddingName)] : []
        keptFloat = policy.keptFloat
        leftOut = source.map(\.name).filter { TensorKind($0) == .unread }
    }
}

/// Chooses type and compression of each tensor.
private struct TypePolicy {
    private let options: QuantizeOptions
    private let chosen: [TensorName: TensorEncoding]
    private let quantizedOfTowers: Set<TensorName>
    private(set) var keptFloat: [TensorName] = []
    private let overrides: [(pattern: TensorNamePattern, override: QuantizeOptions.Override)]
    private var usedOverrides: Set<Int> = []

    init(options: QuantizeOptions, chosen: [TensorName: TensorEncoding], quantizedOfTowers: Set<TensorName>) {
        self.options = options
        self.chosen = chosen
        self.quantizedOfTowers = quantizedOfTowers
        overrides = options.overrides.map { (TensorNamePattern($0.pattern), $0) }
    }

    /// The type that an override chooses; nil if none does.
    mutating func override(of tensor: TensorDescription) throws -> TensorEncoding? {
        guard [.f16, .bf16, .f32].contains(tensor.elementType) else {
            throw PVITError(
                .typeNotPossible, "weights of type \(tensor.elementType) are not supported",
                remedy: "convert the checkpoint to F16, BF16 or F32")
        }
        // A pattern with wildcards applies to the matching tensors that can have its type. For a full name, an
        // impossible type is an error.
        let fitting = overrides.indices.filter { index in
            let (pattern, override) = overrides[index]
            return pattern.matches(tensor.name)
                && (pattern.isName || Self.isPossible(override.encoding, for: tensor))
        }
        usedOverrides.formUnion(fitting)
        guard let meant = fitting.last else { return nil }
        let override = overrides[meant].override
        guard Self.isPossible(override.encoding, for: tensor) else {
            throw PVITError(
                .typeNotPossible,
                "a tensor of shape \(tensor.shape) cannot have the type \(override.encoding) that \(override) requests",
                remedy: "only matrices of the language model with rows of a multiple of 32 elements can be quantized; "
                    + "--tower-type q8 quantizes image encoders")
        }
        return override.encoding
    }

    /// The type without overrides.
    mutating func ordinaryEncoding(for tensor: TensorDescription) -> TensorEncoding {
        if let chosen = chosen[tensor.name] { return chosen }
        let wanted: TensorEncoding
        switch TensorKind(tensor.name) {
        case .linear: wanted = options.type
        case .embedding, .output: wanted = options.type.isQuantized ? .q8 : options.type
        case .norm, .other: wanted = options.type == .plain(.f32) ? options.type : .plain(tensor.elementType)
        case .projector, .unread: wanted = .plain(tensor.elementType)
        case .tower where quantizedOfTowers.contains(tensor.name): return .q8
        case .tower:
            let isF32 = options.towerType.map { $0 == .f32 } ?? (options.type == .plain(.f32))
            let isVector = tensor.shape.rank < 2
            wanted = .plain(isF32 ? .f32 : isVector ? tensor.elementType : .f16)
        }
        if Self.isPossible(wanted, for: tensor) { return wanted }
        keptFloat.append(tensor.name)
        return .plain(tensor.elementType)
    }

    private static func isPossible(_ encoding: TensorEncoding, for tensor: TensorDescription) -> Bool {
        guard encoding.isQuantized else { return true }
        // A tower's type is chosen as a whole.
        if case .tower = TensorKind(tensor.name) { return false }
        return tensor.shape.rank == 2 && tensor.shape.rows > 0
            && encoding.supports(columns: tensor.shape.elementsPerRow)
    }

    func compression(for name: TensorName, isTied: Bool) -> Compression {
        guard options.profile == .fast else { return .zstd }
        switch TensorKind(name) {
        case .linear, .output: return .none
        case .tower where quantizedOfTowers.contains(name): return .none
        case .embedding: return isTied ? .none : .zstd
        case .norm, .projector, .tower, .unread, .other: return .zstd
        }
    }

    func checkOverrides() throws {
        guard let unused = overrides.indices.first(where: { !usedOverrides.contains($0) }) else { return }
        throw PVITError(
            .badOverride, "the pattern of \(overrides[unused].override) matches no tensor",
            remedy: "list the names with `pvit inspect --tensors`")
    }
}
