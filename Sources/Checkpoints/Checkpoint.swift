import Storage
import SystemPackage
import Tensors

/// A published model: its tensors, configuration and tokenizer files.
public struct Checkpoint: Sendable {
    /// A readable description of the format: `safetensors`, `2 safetensors shards`, …
    public let format: String
    /// The folder or file that was opened.
    public let path: FilePath
    /// The tensors.
    public let weights: any TensorSource
    /// `config.json`, or nil when there is none.
    public let config: JSONObject?
    /// The files beside the weights.
    public let sideFiles: SideFiles
    /// The files that the weights come from, in the order of their names.
    public let sourceFiles: [SourceFile]
    /// The stored types of a GGUF file's tensors, where they differ from the types that `weights` delivers.
    public let blockTypes: [TensorName: GGUFType]

    /// Creates a checkpoint.
    ///
    /// - Throws: A JSON error when `config.json` among the side files is not a JSON object.
    public init(
        path: FilePath, format: String, weights: any TensorSource, sideFiles: SideFiles, sourceFiles: [SourceFile],
        blockTypes: [TensorName: GGUFType] = [:]
    ) throws {
        self.path = path
        self.format = format
        self.weights = weights
        self.sideFiles = sideFiles
        self.sourceFiles = sourceFiles
        self.blockTypes = blockTypes
        config = try sideFiles.object(SideFiles.config)
    }
}
