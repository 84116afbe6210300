import Storage
import Tensors

extension ModelReport {
    /// The report as JSON.
    ///
    /// - Parameter listsTensors: Whether to list every tensor.
    package func json(listsTensors: Bool) -> JSONValue {
        var object: JSONObject = [
            "path": .string(path),
            "format": .string(format),
            "file_bytes": .integer(Int(clamping: fileBytes)),
            "facts": .object(facts.reduce(into: JSONObject()) { $0[$1.name] = .string($1.value) }),
            "weights": Self.json(parameters),
            "parts": .object(components.reduce(into: JSONObject()) { $0[$1.component.rawValue] = Self.json($1.total) }),
            "sources": .array(
                sources.map {
                    [
                        "path": .string($0.path), "role": $0.role.map(JSONValue.string) ?? .null,
                        "bytes": .integer(Int(clamping: $0.bytes)), "sha256": $0.sha256.map(JSONValue.string) ?? .null,
                    ]
                }),
            "cannot_run": cannotRun.map(JSONValue.string) ?? .null,
            "notes": .array(notes.map(JSONValue.string)),
        ]
        if !changes.isEmpty { object["changes"] = changesJSON }
        if listsTensors { object["tensors"] = .array(tensors.map(Self.json)) }
        return .object(object)
    }

    static func json(_ total: Total) -> JSONValue {
        [
            "tensors": .integer(total.tensors),
            "parameters": .integer(total.elements),
            "encodings": .array(total.encodings.map(JSONValue.string)),
            "bits_per_weight": total.bitsPerWeight.map(JSONValue.number) ?? .null,
            "stored_bytes": .integer(Int(clamping: total.storedBytes)),
            "decoded_bytes": .integer(Int(clamping: total.decodedBytes)),
            "relative_rmse": total.statistics.map { .number($0.relativeRMSE) } ?? .null,
        ]
    }

    static func json(_ tensor: TensorRow) -> JSONValue {
        [
            "name": .string(tensor.name.rawValue),
            "part": .string(tensor.component.rawValue),
            "encoding": .string(tensor.encoding),
            "shape": .array(tensor.shape.dimensions.map(JSONValue.integer)),
            "alias_of": tensor.aliasOf.map { .string($0.rawValue) } ?? .null,
            "stored_bytes": .integer(Int(clamping: tensor.storedBytes)),
            "decoded_bytes": .integer(Int(clamping: tensor.decodedBytes)),
            "relative_rmse": tensor.statistics.map { .number($0.relativeRMSE) } ?? .null,
            "maximum_error": tensor.statistics.map { .number($0.maximumError) } ?? .null,
        ]
    }
}
