import Storage
import SystemPackage

/// GGUF models as checkpoints.
enum GGUFCheckpoint {
    /// Opens the model that a file belongs to. Configuration and tokenizer are made from the metadata.
    ///
    /// - Throws: `gguf.*` errors, `checkpoint.missing-shards`, `checkpoint.not-a-model` for an adapter.
    static func open(_ path: FilePath) throws -> Checkpoint {
        let files = try GGUFSplit.open(fileAt: path)
        guard try files[0].string("general.type") != "adapter" else {
            throw PVITError(
                .notAModel, "this is an adapter for llama.cpp (LoRA), not a model", file: path,
                remedy: "merge it into its base with llama.cpp's llama-export-lora")
        }
        let configuration = try LlamaGGUFConfiguration(files[0], files: files)
        let weights = try LlamaGGUFSource(
            files, headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount)
        var sideFiles = SideFiles()
        if let tokenizer = try GGUFTokenizer(files[0]) {
            sideFiles = try tokenizer.sideFiles(contextLength: configuration.contextLength)
        }
        sideFiles[SideFiles.config] =
            JSONValue.object(configuration.config).encoded(indentation: 2) + [UInt8(ascii: "\n")]
        return try Checkpoint(
            path: path, format: files.count == 1 ? "GGUF" : "\(files.count) GGUF files", weights: weights,
            sideFiles: sideFiles,
            sourceFiles: files.map { Checkpoint.SourceFile(path: $0.path, byteCount: UInt64($0.byteCount)) },
            blockTypes: weights.blockTypes)
    }
}
