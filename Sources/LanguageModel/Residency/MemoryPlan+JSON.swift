import Storage

extension MemoryPlan {
    /// The plan as JSON.
    package var json: JSONValue {
        var object: JSONObject = [
            "limit_bytes": limit.map { .integer(Int(clamping: $0.rawValue)) } ?? .null,
            "program_bytes": .integer(programByteCount), "cache_bytes": .integer(cacheByteCount),
            "cache_type": .string(cacheStorage.rawValue), "context": .integer(contextLength),
            "activation_bytes": .integer(activationByteCount), "batch_tokens": .integer(batchSize),
            "vision_bytes": .integer(visionByteCount), "weight_bytes": .integer(weightByteCount),
        ]
        if draftByteCount > 0 { object["draft_bytes"] = .integer(draftByteCount) }
        switch weights {
        case .mapped:
            object["weights"] = "mapped"
            object["bytes_per_token"] = 0
        case .streamed(let stream):
            object["weights"] = "streamed"
            object["pinned_bytes"] = .integer(stream.pinnedByteCount)
            object["window_bytes"] = .integer(stream.windowByteCount)
            object["bytes_per_token"] = .integer(stream.streamedByteCount)
        }
        return .object(object)
    }

    /// A note that the context was shortened to stay within the limit.
    package var contextNote: String {
        "to stay within \(limit.map { "\($0)" } ?? "memory"), the context is shortened to \(contextLength) positions, "
            + "fewer than the model was trained for"
    }
}
