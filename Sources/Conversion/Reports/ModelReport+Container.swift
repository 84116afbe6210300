import Architectures
import Container
import Storage
import Tensors

extension ModelReport {
    /// Creates the report on a container.
    ///
    /// - Throws: The errors of reading its index and metadata.
    init(of container: Container) throws {
        let metadata = try container.metadata
        let tensors = try container.tensors()
        let rows = tensors.map { tensor in
            let isAttachment = tensor.role == .attachment
            return TensorRow(
                name: tensor.name, component: isAttachment ? .attachments : ModelComponent(tensor.name),
                encoding: tensor.encoding.description,
                shape: tensor.shape, storedBytes: UInt64(tensor.storedByteCount),
                decodedBytes: UInt64(tensor.decodedByteCount), statistics: tensor.statistics, aliasOf: tensor.aliasOf,
                contentDigest: tensor.contentDigest)
        }
        var config = metadata["model.config"]?.object
        if let output = tensors.first(where: { $0.name == "lm_head.weight" }), output.aliasOf == nil {
            config?["tie_word_embeddings"] = false
        }
        var facts = config.map(ModelReport.architectureFacts) ?? []
        for kind in Tower.Kind.allCases {
            guard let config = metadata["\(kind.rawValue).config"]?.object else { continue }
            facts.append(ModelReport.towerFact(kind, config))
        }
        if let recipe = metadata["provenance.recipe"]?.object {
            facts.append(Fact(name: "recipe", value: ModelReport.oneLine(recipe)))
        }
        if let tool = metadata["provenance.tool"]?.object {
            let words = [tool["name"]?.string, tool["version"]?.string].compactMap(\.self)
            facts.append(Fact(name: "made by", value: words.joined(separator: " ")))
        }
        let sensitivity = Sensitivities(
            parsing: metadata[Sensitivities.key],
            names: Set(tensors.filter { $0.aliasOf == nil && $0.role == .parameter }.map(\.name)))
        if let sensitivity {
            let tokens = sensitivity.tokenCount.map { " on \($0) tokens" } ?? ""
            facts.append(
                Fact(name: "sensitivity", value: "measured of \(sensitivity.divergences.count) matrices\(tokens)"))
        }
        facts.append(Fact(name: "model digest", value: "\(container.modelDigest)"))
        let sources = (metadata["provenance.sources"]?.array ?? []).map { source in
            SourceRow(
                path: source["path"]?.string ?? "?", role: source["role"]?.string,
                bytes: UInt64(clamping: source["bytes"]?.integer ?? 0),
                sha256: source["sha256"]?.string)
        }
        self.init(
            path: container.path.readable, format: "pvit container, version \(container.version)",
            fileBytes: UInt64(container.byteCount), facts: facts, tensors: rows, sources: sources,
            cannotRun: try RunCheck.problem(ofContainer: container.path), notes: Self.notes(on: tensors),
            modelDigest: container.modelDigest, recipe: metadata["provenance.recipe"]?.object, sensitivity: sensitivity)
    }

    /// Notes on the encoding: which matrices are float although others are quantized.
    private static func notes(on tensors: [StoredTensor]) -> [String] {
        guard tensors.contains(where: { $0.encoding == .q4 || $0.encoding == .q8 }) else { return [] }
        let left = tensors.filter { tensor in
            guard case .plain = tensor.encoding, tensor.role != .attachment, tensor.aliasOf == nil else { return false }
            return tensor.shape.rank == 2 && !TensorEncoding.q8.supports(columns: tensor.shape.elementsPerRow)
        }
        guard !left.isEmpty else { return [] }
        let names = left.prefix(3).map(\.name.rawValue).joined(separator: ", ") + (left.count > 3 ? ", …" : "")
        let subject = left.count == 1 ? "1 matrix is" : "\(left.count) matrices are"
        return ["\(subject) kept in float, because the row length is not a multiple of 32: \(names)"]
    }

    /// The members of an object on one line: `type q4, profile fast`.
    static func oneLine(_ object: JSONObject) -> String {
        object.members.compactMap { member in
            switch member.value {
            case .null: nil
            case .array(let elements) where elements.isEmpty: nil
            default: "\(member.key) \(readable(member.value))"
            }
        }.joined(separator: ", ")
    }

    /// A value of a recipe: files by their names, and lists with plus signs.
    static func readable(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .array(let elements): elements.map(readable).joined(separator: " + ")
        case .object(let object): object["path"]?.string ?? "(\(oneLine(object)))"
        default: String(decoding: value.encoded(), as: UTF8.self)
        }
    }
}
