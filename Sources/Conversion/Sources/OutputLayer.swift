import Architectures
import Checkpoints
import Storage
import Tensors

extension Checkpoint {
    /// Whether the configuration says that the input embeddings are also the output layer.
    var isTied: Bool { config?["tie_word_embeddings"]?.bool ?? false }

    /// The same model with a configuration that describes its output layer.
    ///
    /// A model whose configuration ties the output layer to the embeddings may store either or both. If both are stored
    /// and have the same bits, one is dropped. If they differ, both are used, as in `transformers` and llama.cpp, and
    /// the configuration says that they are not tied. If only the output layer is stored, it becomes the embeddings.
    /// Afterwards a tied model has the embeddings alone. Doing this twice changes nothing.
    ///
    /// - Throws: What reading the two tensors throws.
    package func resolvingOutputLayer() throws -> Checkpoint {
        guard isTied, let output = weights.tensor(named: TensorKind.outputName) else { return self }
        guard let embedding = weights.tensor(named: TensorKind.embeddingName) else {
            return try replacing(
                weights: SelectedSource(
                    weights,
                    weights.tensors.map { ($0.name, $0.name == output.name ? TensorKind.embeddingName : $0.name) }))
        }
        if try TensorComparison.areEqual(embedding, in: weights, output, in: weights) {
            let names = weights.tensors.map(\.name).filter { $0 != output.name }
            return try replacing(weights: SelectedSource(weights, names.map { ($0, $0) }))
        }
        var config = config
        config?["tie_word_embeddings"] = false
        return try replacing(config: config)
    }

    /// The same checkpoint with other weights or another configuration.
    func replacing(weights: (any TensorSource)? = nil, config: JSONObject? = nil) throws -> Checkpoint {
        var files = sideFiles
        if let config { files.setConfig(config) }
        return try Checkpoint(
            path: path, format: format, weights: weights ?? self.weights, sideFiles: files, sourceFiles: sourceFiles,
            blockTypes: blockTypes)
    }
}

extension SideFiles {
    /// Replaces `config.json`.
    mutating func setConfig(_ config: JSONObject) {
        self[Self.config] = JSONValue.object(config).encoded(indentation: 2) + [UInt8(ascii: "\n")]
    }
}
