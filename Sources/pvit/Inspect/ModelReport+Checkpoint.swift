import Checkpoints
import Conversion
import Tensors

extension ModelReport {
    /// The report on somebody else's checkpoint.
    ///
    /// - Throws: What reading the tensors that tell models from deltas throws.
    init(of checkpoint: Checkpoint) throws {
        let rows = checkpoint.weights.tensors.map { tensor in
            TensorRow(
                name: tensor.name, part: ModelPart(tensor.name), encoding: .plain(tensor.elementType),
                shape: tensor.shape, storedBytes: UInt64(tensor.byteCount), decodedBytes: UInt64(tensor.byteCount),
                statistics: nil, aliasOf: nil)
        }
        var facts = checkpoint.config.map(ModelReport.architectureFacts) ?? []
        let sideFiles = checkpoint.sideFiles.presentNames
        if !sideFiles.isEmpty { facts.append(Fact(name: "files", value: sideFiles.joined(separator: ", "))) }
        self.init(
            path: checkpoint.path.string, format: checkpoint.format,
            fileBytes: checkpoint.sourceFiles.reduce(0) { $0 + $1.byteCount }, facts: facts, tensors: rows,
            sources: checkpoint.sourceFiles.map {
                SourceRow(path: $0.path.lastComponent?.string ?? $0.path.string, bytes: $0.byteCount, sha256: nil)
            },
            notes: try CheckpointDiagnosis.findings(on: checkpoint))
    }

    /// What a `config.json` says of the architecture.
    static func architectureFacts(_ config: JSONObject) -> [Fact] {
        func number(_ key: String) -> String? { config[key]?.integer.map(String.init) }
        var facts: [Fact] = []
        if let type = config["model_type"]?.string {
            let classes = config["architectures"]?.array?.compactMap(\.string) ?? []
            facts.append(Fact(name: "architecture", value: ([type] + classes).joined(separator: ", ")))
        }
        var sizes: [String] = []
        if let layers = number("num_hidden_layers") { sizes.append("\(layers) layers") }
        if let hidden = number("hidden_size") { sizes.append("hidden \(hidden)") }
        if let inner = number("intermediate_size") { sizes.append("feed-forward \(inner)") }
        if let heads = number("num_attention_heads") {
            let shared = number("num_key_value_heads").map { $0 == heads ? "" : " over \($0) key/value heads" } ?? ""
            sizes.append("\(heads) heads\(shared)")
        }
        if !sizes.isEmpty { facts.append(Fact(name: "sizes", value: sizes.joined(separator: ", "))) }
        if let vocabulary = number("vocab_size") {
            let tied = config["tie_word_embeddings"]?.bool == true ? ", output tied to the embeddings" : ""
            facts.append(Fact(name: "vocabulary", value: "\(vocabulary) tokens\(tied)"))
        }
        if let positions = number("max_position_embeddings") {
            facts.append(Fact(name: "context", value: "\(positions) tokens"))
        }
        return facts
    }
}
