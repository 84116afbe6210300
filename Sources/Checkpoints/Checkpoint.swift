import Storage
import SystemPackage
import Tensors

/// A published model: its tensors, configuration and tokenizer files.
package struct Checkpoint: Sendable {
    /// A readable description of the format: `safetensors`, `2 safetensors shards`, …
    package let format: String
    /// The folder or file that was opened.
    package let path: FilePath
    /// The tensors.
    package let weights: any TensorSource
    /// `config.json`, or nil when there is none.
    package let config: JSONObject?
    /// The files beside the weights.
    package let sideFiles: SideFiles
    /// The files that the weights come from, in the order of their names.
    package let sourceFiles: [SourceFile]
    /// The stored types of a GGUF file's tensors, where they differ from the types that `weights` delivers.
    package let blockTypes: [TensorName: GGUFType]

    /// Creates a checkpoint.
    ///
    /// - Throws: A JSON error when `config.json` among the side files is not a JSON object.
    package init(
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
