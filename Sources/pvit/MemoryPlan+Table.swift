import LanguageModel
import Storage

extension MemoryPlan {
    /// The items of the plan and their sizes.
    var table: TextTable {
        var table = TextTable([("memory", .left), ("size", .right), ("", .left)])
        for item in items { table.add([item.name, ByteCount(item.byteCount).description, item.note]) }
        return table
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
