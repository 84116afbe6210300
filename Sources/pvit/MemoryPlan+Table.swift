import LanguageModel
import Storage

extension MemoryPlan {
    /// The items of the plan and their sizes.
    var table: TextTable {
        var table = TextTable([("memory", .left), ("size", .right), ("", .left)])
        for item in items { table.add([item.name, ByteCount(item.byteCount).description, item.note]) }
        return table
    }

    /// The plan as JSON.
    var json: JSONValue {
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

    private var items: [(name: String, byteCount: Int, note: String)] {
        let rest = [
            ("KV cache", cacheByteCount, "\(contextLength) positions in \(cacheStorage)"),
            ("activations", activationByteCount, "\(batchSize) tokens at a time"),
            ("program", programByteCount, "with libraries and tokenizer"),
        ]
        let draft = draftByteCount > 0 ? [("draft model", draftByteCount, "its weights")] : []
        let vision = visionByteCount > 0 ? [("images", visionByteCount, "before the KV cache fills")] : []
        let limit = self.limit.map { [("limit", Int(clamping: $0.rawValue), "")] } ?? []
        switch weights {
        case .mapped: return limit + [("weights", weightByteCount, "in the mapped file")] + draft + rest + vision
        case .streamed(let stream):
            let weights = [
                ("weights kept", stream.pinnedByteCount, "of \(ByteCount(weightByteCount))"),
                (
                    "stream buffers", stream.windowByteCount,
                    "\(ByteCount(stream.streamedByteCount)) read in each pass"
                ),
            ]
            return limit + weights + draft + rest + vision
        }
    }
}
