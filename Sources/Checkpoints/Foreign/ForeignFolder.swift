import Storage
import SystemPackage

extension PVITError.Code {
    /// The files are recognised, but are not a supported model: an adapter, a trainer's state, another kind of model.
    package static let notAModel = Self("checkpoint.not-a-model", .badData)
}

/// Recognises folders without supported weights.
enum ForeignFolder {
    /// The error for a folder of the `diffusers` library, which may also have weights in its top folder; nil for
    /// others.
    static func pipeline(_ folder: FilePath, entries: [String]) throws -> PVITError? {
        let name = "model_index.json"
        guard entries.contains(name) else { return nil }
        let index = try? JSONValue(parsing: SideFiles.read(folder.appending(fileNamed: name)), dialect: .python)
        let kind = index?["_class_name"]?.string.map { " (\($0))" } ?? ""
        return PVITError(
            .notAModel, "this is a pipeline of the diffusers library\(kind), which makes images, not a language model",
            file: folder, remedy: "give the folder of a model of the LLaMA family")
    }

    /// The error for a folder without supported weights.
    static func error(for folder: FilePath, entries: [String]) throws -> PVITError {
        try cache(folder, entries: entries) ?? adapter(folder, entries: entries)
            ?? distributed(folder, entries: entries) ?? otherFormat(folder, entries: entries)
            ?? PVITError(
                .formatUnknown, "the folder has no weights", file: folder,
                remedy: modelFolder(within: folder, entries: entries).map { "give \($0), which looks like a model" }
                    ?? "give a Hugging Face or Meta LLaMA folder, or a safetensors, PyTorch or GGUF file")
    }

    /// The first subfolder with the configuration of a model.
    private static func modelFolder(within folder: FilePath, entries: [String]) -> FilePath? {
        entries.prefix(100).lazy.map { folder.appending($0) }.first { candidate in
            guard isFolder(candidate), let names = try? folderEntries(candidate) else { return false }
            return names.contains(SideFiles.config) || names.contains(MetaFolder.parametersName)
        }
    }

    /// A model in the cache of `huggingface_hub`, which has a folder for each revision.
    private static func cache(_ folder: FilePath, entries: [String]) throws -> PVITError? {
        let models = entries.filter { $0.hasPrefix("models--") }
        if !models.isEmpty, !entries.contains("snapshots") {
            return PVITError(
                .notAModel, "this is the cache of Hugging Face, with \(models.listed())", file: folder,
                remedy: "give the folder of a model's revision: \(folder.appending(models[0]))/snapshots/REVISION")
        }
        let snapshots = folder.appending("snapshots")
        guard entries.contains("snapshots"), entries.contains("refs") || entries.contains("blobs"),
            isFolder(snapshots)
        else { return nil }
        let revisions = try folderEntries(snapshots)
        let main = (try? SideFiles.read(folder.appending("refs").appending("main"))).map {
            String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace }
        }
        guard let revision = revisions.first(where: { $0 == main }) ?? revisions.first else {
            return PVITError(
                .notAModel, "this is a model in the cache of Hugging Face, without any of its revisions", file: folder,
                remedy: "download the model again")
        }
        let others = revisions.filter { $0 != revision }
        return PVITError(
            .notAModel, "this is a model in the cache of Hugging Face, not the folder with its files", file: folder,
            remedy: "give \(snapshots.appending(revision))"
                + (others.isEmpty ? "" : ", or another revision beside it: \(others.listed(3))"))
    }

    private static func adapter(_ folder: FilePath, entries: [String]) -> PVITError? {
        guard entries.contains(AdapterCheckpoint.configName) else { return nil }
        return AdapterCheckpoint.error(for: folder, in: folder)
    }

    private static let deepSpeedFolder = FileNamePattern("global_step[0-9]+")
    private static let fsdpName = FileNamePattern(
        #"pytorch_model_fsdp_[0-9]+|model_world_size_[0-9]+_rank_[0-9]+\.pt"#)
    private static let megatronFolder = FileNamePattern("(mp_rank|iter)_[0-9]+(_[0-9]+)?")

    /// The error for files that DeepSpeed, FSDP and Megatron save while they train on several devices.
    private static func distributed(_ folder: FilePath, entries: [String]) -> PVITError? {
        func first(_ condition: (String) -> Bool) -> String? { entries.first(where: condition) }
        if let name = first({
            deepSpeedFolder.matches($0) || $0 == "zero_to_fp32.py" || $0.hasSuffix("_model_states.pt")
                || $0.hasSuffix("_optim_states.pt")
        }) {
            return PVITError(
                .notAModel,
                "this is a checkpoint of DeepSpeed (it has \(name)), whose weights are spread over several files",
                file: folder, remedy: "join them: python3 zero_to_fp32.py . NEW_FOLDER, in that folder")
        }
        if let name = first({
            $0.hasSuffix(".distcp") || fsdpName.matches($0)
        }) {
            return PVITError(
                .notAModel,
                "this is a distributed checkpoint of PyTorch (it has \(name)), with one file for each device",
                file: folder,
                remedy: "join them: python3 -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER NEW_FILE, "
                    + "or with accelerate merge-weights")
        }
        if let name = first({ megatronFolder.matches($0) }) {
            return PVITError(
                .notAModel, "this is a checkpoint of Megatron (it has \(name)), with one file for each device",
                file: folder, remedy: "convert it to a Hugging Face folder")
        }
        if let name = first(TrainerState.isOne(fileName:)) {
            return PVITError(
                .notAModel, "the folder has the state of a training run (\(name)), but no weights", file: folder,
                remedy: "give the folder with the model's config.json and weights")
        }
        return nil
    }

    private static func otherFormat(_ folder: FilePath, entries: [String]) -> PVITError? {
        if let file = entries.first(where: { $0.hasSuffix(".pth") || $0.hasSuffix(".pt") || $0.hasSuffix(".ckpt") }) {
            return PVITError(
                .formatUnknown, "the folder is neither a Hugging Face nor a Meta LLaMA folder, but it has \(file)",
                file: folder, remedy: "give the file itself")
        }
        if entries.contains(where: { $0.hasSuffix(".gguf") }) {
            return PVITError(
                .formatUnknown, "the folder has several GGUF models", file: folder,
                remedy: "give the file itself")
        }
        let known: [(suffix: String, name: String)] = [
            (".h5", "TensorFlow .h5 files"), (".msgpack", "Flax .msgpack files"), (".onnx", "ONNX files"),
        ]
        for (suffix, name) in known where entries.contains(where: { $0.hasSuffix(suffix) }) {
            return PVITError(
                .formatNotReadable, "the folder has weights only as \(name), which cannot be read yet", file: folder,
                remedy: "convert them to safetensors")
        }
        return nil
    }
}
