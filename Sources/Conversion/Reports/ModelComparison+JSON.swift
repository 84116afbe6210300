import Storage

extension ModelComparison {
    /// How many tensors of each kind of difference are listed unless all are asked for.
    package static let listedCount = 10

    /// The comparison as JSON.
    ///
    /// - Parameter listsTensors: Whether to list every tensor that differs.
    package func json(listsTensors: Bool) -> JSONValue {
        let limit = listsTensors ? Int.max : Self.listedCount
        return [
            "a": Self.summary(a), "b": Self.summary(b),
            "same_weights": sameWeights == .unknown ? .null : .bool(sameWeights == .same),
            "differences": .array(
                differences.map {
                    [
                        "name": .string($0.name), "a": $0.a.map(JSONValue.string) ?? .null,
                        "b": $0.b.map(JSONValue.string) ?? .null,
                    ]
                }),
            "parts": .object(
                components.reduce(into: JSONObject()) { object, row in
                    object[row.component.rawValue] = [
                        "a": row.a.map(ModelReport.json) ?? .null, "b": row.b.map(ModelReport.json) ?? .null,
                        "relative_rmse_difference": difference(row.a?.statistics, row.b?.statistics)
                            .map(JSONValue.number) ?? .null,
                    ]
                }),
            "tensors": [
                "in_both": .integer(pairs.count), "differing": .integer(differingPairs.count),
                "other_types": .integer(pairs.count { $0.a.encoding != $0.b.encoding }),
                "other_shapes": .integer(pairs.count { $0.a.shape != $0.b.shape }),
                "only_in_a": .integer(onlyInA.count), "only_in_b": .integer(onlyInB.count),
                "list": .array(
                    onlyInA.prefix(limit).map { Self.json($0.name.rawValue, $0, nil) }
                        + onlyInB.prefix(limit).map { Self.json($0.name.rawValue, nil, $0) }
                        + differingPairs.prefix(limit).map { Self.json($0.a.name.rawValue, $0.a, $0.b) }),
            ],
        ]
    }

    private static func summary(_ model: ModelReport) -> JSONValue {
        [
            "path": .string(model.path), "format": .string(model.format),
            "file_bytes": .integer(Int(clamping: model.fileBytes)), "weights": ModelReport.json(model.parameters),
        ]
    }

    private static func json(
        _ name: String, _ a: ModelReport.TensorRow?, _ b: ModelReport.TensorRow?
    ) -> JSONValue {
        ["name": .string(name), "a": a.map(ModelReport.json) ?? .null, "b": b.map(ModelReport.json) ?? .null]
    }
}
