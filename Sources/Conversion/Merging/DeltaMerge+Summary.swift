import Tensors

extension DeltaMerge.Result {
    /// Notes on the sum or difference, one line each.
    package var summary: [String] {
        var lines: [String] = []
        for (tensor, baseRows) in extended {
            lines.append(
                "\(tensor.name): the base has \(baseRows) of \(tensor.shape.rows) rows; the others are the delta's")
        }
        if !passedThrough.isEmpty {
            lines.append(
                "copied, because the base lacks them: \(passedThrough.map(\.rawValue).joined(separator: ", "))")
        }
        if !cast.base.isEmpty || !cast.other.isEmpty {
            lines.append(
                "cast to float16, as PVIT's own script does: \(cast.base.count) tensors of the base, "
                    + "\(cast.other.count) of the other model")
        }
        if let replacedByTying {
            lines.append(
                "\(replacedByTying) of the base is not used, because config.json ties output layer and embeddings")
        }
        if let outdatedVocabularySize {
            lines.append("corrected vocab_size in config.json, which was \(outdatedVocabularySize)")
        }
        return lines
    }
}
