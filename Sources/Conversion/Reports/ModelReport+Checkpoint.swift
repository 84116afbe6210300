import Architectures
import Checkpoints
import Storage
import Tensors

extension ModelReport {
    /// Creates the report on a checkpoint.
    ///
    /// - Throws: The errors of reading some tensors, which distinguish models from deltas.
    init(of checkpoint: Checkpoint) throws {
        let rows = checkpoint.weights.tensors.map { tensor in
            let blocks = checkpoint.blockTypes[tensor.name]
            let byteCount = UInt64(
                blocks?.byteCount(ofElements: tensor.shape.elementCount) ?? tensor.byteCount)
            return TensorRow(
                name: tensor.name, component: ModelComponent(tensor.name),
                encoding: blocks?.description ?? tensor.elementType.rawValue, shape: tensor.shape,
                storedBytes: byteCount, decodedBytes: byteCount, statistics: nil, aliasOf: nil)
        }
        let resolved = try checkpoint.resolvingOutputLayer()
        var facts = resolved.config.map(ModelReport.architectureFacts) ?? []
        let findings = try CheckpointDiagnosis.findings(on: checkpoint)
        if let tower = findings.isEmpty ? try Tower.recognise(checkpoint) : nil {
            facts.append(ModelReport.towerFact(tower.kind, tower.config))
            if !tower.leftOut.isEmpty {
                facts.append(Fact(name: "left out", value: tower.leftOut.map(\.rawValue).listed()))
            }
        }
        let sideFiles = checkpoint.sideFiles.presentNames
        if !sideFiles.isEmpty { facts.append(Fact(name: "files", value: sideFiles.joined(separator: ", "))) }
        self.init(
            path: checkpoint.path.readable, format: checkpoint.format,
            fileBytes: checkpoint.sourceFiles.reduce(0) { $0 + $1.byteCount }, facts: facts, tensors: rows,
            sources: checkpoint.sourceFiles.map {
                SourceRow(
                    path: $0.path.name.escapingControlCharacters, role: $0.role, bytes: $0.byteCount,
                    sha256: nil)
            },
            cannotRun: try RunCheck.problem(of: checkpoint), notes: findings)
    }

    /// A description of a tower on one line.
    static func towerFact(_ kind: Tower.Kind, _ config: JSONObject) -> Fact {
        func number(_ key: String) -> String { config[key]?.integer.map(String.init) ?? "?" }
        let value =
            switch kind {
            case .vision:
                "CLIP, \(number("num_hidden_layers")) layers, hidden \(number("hidden_size")), "
                    + "\(number("num_attention_heads")) heads, patches of \(number("patch_size")) pixels in "
                    + "\(number("image_size")) × \(number("image_size"))"
            case .region:
                "RegionCLIP ResNet, width \(number("width")), blocks "
                    + (config["blocks"]?.array ?? []).map { $0.integer.map(String.init) ?? "?" }.joined(separator: " ")
                    + ", features of \(number("output_size"))"
            }
        return Fact(name: kind.title, value: value)
    }

    /// The facts about the architecture in a `config.json`.
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
