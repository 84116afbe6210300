import Architectures
import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

extension Tower {
    /// Opens a CLIP: a Hugging Face folder of a complete CLIP or of its vision model.
    ///
    /// The text half, projections and position ids are left out.
    ///
    /// - Throws: `tower.config` and `tower.tensors` when it is not such a model, and the errors of
    ///   `CheckpointSource.open`.
    package static func vision(opening path: FilePath) throws -> Tower {
        try vision(in: CheckpointSource.open(path))
    }

    /// Opens a RegionCLIP: a file of `torch.save` as its authors publish them, or a folder or file with the same
    /// tensors.
    ///
    /// The language encoder, the teacher, the region proposal network and heads are left out.
    ///
    /// - Throws: `tower.tensors` when there is no such encoder, and the errors of `CheckpointSource.open`.
    package static func region(opening path: FilePath) throws -> Tower {
        try region(in: CheckpointSource.open(path))
    }

    /// The encoder in a checkpoint; nil if it is something else.
    ///
    /// - Throws: As `vision(opening:)` and `region(opening:)`.
    package static func recognise(_ checkpoint: Checkpoint) throws -> Tower? {
        switch kind(of: checkpoint) {
        case .vision: try vision(in: checkpoint)
        case .region: try region(in: checkpoint)
        case nil: nil
        }
    }

    /// Whether a checkpoint looks like an encoder, perhaps an incomplete one.
    static func isOne(_ checkpoint: Checkpoint) -> Bool { kind(of: checkpoint) != nil }

    private static func kind(of checkpoint: Checkpoint) -> Kind? {
        let names = checkpoint.weights.tensors.lazy.map(\.name.rawValue)
        if names.contains(where: { $0.hasPrefix(CLIPVisionArchitecture.namePrefix) }) { return .vision }
        let pool = RegionCLIPArchitecture.namePrefix + "attnpool."
        return names.contains { $0.hasPrefix(pool) } ? .region : nil
    }

    private static func vision(in checkpoint: Checkpoint) throws -> Tower {
        let folder = isFolder(checkpoint.path) ? checkpoint.path : checkpoint.path.removingLastComponent()
        let files = try SideFiles(in: folder.isEmpty ? "." : folder, names: [SideFiles.preprocessorConfig])
        return try vision(in: checkpoint, preprocessor: files.object(SideFiles.preprocessorConfig))
    }

    private static func vision(in checkpoint: Checkpoint, preprocessor: JSONObject?) throws -> Tower {
        guard let config = checkpoint.config else {
            throw PVITError(
                .towerConfig, "there is no config.json beside the weights", file: checkpoint.path,
                remedy: "give the folder of a CLIP, such as openai/clip-vit-large-patch14, with its config.json")
        }
        do {
            let members = try CLIPVisionConfiguration.members(ofCheckpoint: config)
            let configuration = try CLIPVisionConfiguration(ofCheckpoint: members)
            return try Tower(
                CLIPVisionArchitecture(configuration), checkpoint, config: members, preprocessor: preprocessor,
                featureWidth: configuration.hiddenSize
            ) { name in
                // Old files have position ids.
                name.hasPrefix(CLIPVisionArchitecture.namePrefix) && !name.hasSuffix(".position_ids")
            }
        } catch let error as PVITError {
            throw error.located(file: checkpoint.path)
        }
    }

    private static func region(in checkpoint: Checkpoint) throws -> Tower {
        do {
            let architecture = try RegionCLIPArchitecture(tensors: checkpoint.weights.tensors)
            return try Tower(
                architecture, checkpoint, config: RegionEncoderConfiguration.metadata(for: architecture),
                preprocessor: nil, featureWidth: architecture.featureWidth
            ) { name in
                name.hasPrefix(RegionCLIPArchitecture.namePrefix)
                    && !name.hasSuffix(RegionCLIPArchitecture.ignoredSuffix)
            }
        } catch let error as PVITError {
            throw error.located(file: checkpoint.path)
        }
    }

    private init<Architecture: TowerTensors>(
        _ architecture: Architecture, _ checkpoint: Checkpoint, config: JSONObject, preprocessor: JSONObject?,
        featureWidth: Int, belongs: (String) -> Bool
    ) throws {
        let kind = Architecture.kind
        let (own, others) = checkpoint.weights.tensors.divided { belongs($0.name.rawValue) }
        try architecture.check(own, file: checkpoint.path)
        func stored(_ name: TensorName) -> TensorName { TensorName(kind.prefix + name.rawValue) }
        self.init(
            kind: kind, path: checkpoint.path, config: config, preprocessor: preprocessor,
            sourceFiles: checkpoint.sourceFiles.map { $0.with(role: kind.title) },
            leftOut: others.map(\.name),
            weights: try SelectedSource(
                checkpoint.weights,
                architecture.tensors.map { ($0.name, stored($0.name)) }),
            featureWidth: featureWidth,
            quantizableNames: Set(architecture.quantizableTensors.map { stored($0.name) }))
    }

    /// The encoders in a container; none if `path` is something else.
    ///
    /// - Throws: The container's errors, `tower.config` and `tower.tensors`.
    package static func all(inContainer path: FilePath) throws -> [Tower] {
        guard !isFolder(path), path.extension != "safetensors" else { return [] }
        let container: Container
        do {
            container = try Container(opening: path)
        } catch let error as PVITError where error.code == .notAContainer {
            return []
        }
        let metadata = try container.metadata
        let source = try ContainerSource(container)
        return try Kind.allCases.compactMap { kind in
            let names = source.tensors.map(\.name).filter { $0.rawValue.hasPrefix(kind.prefix) }
            guard !names.isEmpty else { return nil }
            var files = SideFiles()
            var config = metadata["\(kind.rawValue).config"]?.object
            // Older files lack it if the CLIP's configuration did.
            if kind == .vision, config?["model_type"] == nil {
                config?["model_type"] = .string(CLIPVisionConfiguration.modelType)
            }
            files[SideFiles.config] = config.map { JSONValue.object($0).encoded() }
            let selected = try SelectedSource(
                source, names.map { ($0, TensorName(String($0.rawValue.dropFirst(kind.prefix.count)))) })
            let checkpoint = try Checkpoint(
                path: path, format: "pvq container", weights: inCheckpointOrder(selected, of: kind),
                // The language model lists the container as its source file.
                sideFiles: files, sourceFiles: [])
            var tower =
                switch kind {
                case .vision: try vision(in: checkpoint, preprocessor: metadata["vision_tower.preprocessor"]?.object)
                case .region: try region(in: checkpoint)
                }
            tower.comesQuantized = names.contains { source.storedTensors[$0]?.encoding.isQuantized ?? false }
            return tower
        }
    }
}

extension Tower {
    /// The tensors of a container with kernels as checkpoints have them.
    private static func inCheckpointOrder(_ source: SelectedSource, of kind: Kind) throws -> any TensorSource {
        guard kind == .region, let architecture = try? RegionCLIPArchitecture(tensors: source.tensors) else {
            // Linear layers have the same order; tensors of something else are refused when the tower is opened.
            return source
        }
        return try ReorderedKernels.channelsFirst(source, architecture.tensors)
    }
}

extension Array {
    /// The elements that satisfy a condition, and the others, in their order.
    fileprivate func divided(_ condition: (Element) -> Bool) -> (fitting: [Element], others: [Element]) {
        (filter(condition), filter { !condition($0) })
    }
}
