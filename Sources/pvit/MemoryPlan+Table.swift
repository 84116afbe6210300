import LanguageModel
import PVITModel
import Storage

extension MemoryPlan {
    /// The items of the plan and their sizes.
    var table: TextTable {
        var table = TextTable([("memory", .left), ("size", .right), ("", .left)])
        for item in items { table.add([item.name, ByteCount(item.byteCount).description, item.note]) }
        return table
    }

    /// The same, followed by how fast the model will decode if weights are streamed.
    func table(_ prediction: PlanPrediction?) -> TextTable {
        var table = table
        if let prediction {
            for row in prediction.rows { table.add(row) }
        } else if streamsWeights {
            table.add(["disk", "-", "not measured: the file system cannot read past the page cache"])
        }
        return table
    }

    /// Whether each pass reads weights from the disk.
    private var streamsWeights: Bool {
        if case .streamed(let stream) = weights { stream.streamedByteCount > 0 } else { false }
    }

    /// The plan as JSON, with how fast the model will decode: null if that cannot be told.
    func json(_ prediction: PlanPrediction?) -> JSONValue {
        guard streamsWeights, case .object(var object) = json else { return json }
        let pass = prediction?.pass
        object["disk_bytes_per_s"] = pass.map { .number($0.reading.diskBytesPerSecond) } ?? .null
        object["expected_pass_s"] = pass.map { .number($0.seconds) } ?? .null
        object["expected_limit"] = pass.map { .string($0.limit.rawValue) } ?? .null
        if draftByteCount > 0 {
            object["expected_guess_s"] = prediction?.guess.map { .number($0.seconds) } ?? .null
        } else {
            object["expected_tokens_per_s"] = pass.map { .number($0.tokensPerSecond) } ?? .null
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

extension PlanPrediction {
    fileprivate var rows: [[String]] {
        let disk = ByteCount(Int(pass.reading.diskBytesPerSecond)).description + "/s"
        let note = pass.reading.decodingSecondsPerByte > 0 ? "before decoding" : ""
        let limit = "limited by the \(pass.limit.rawValue)"
        guard let guess else {
            let speed = pass.tokensPerSecond
            return [
                ["disk", disk, note],
                [
                    "decoding", speed.formatted(decimals: speed < 9.995 ? 2 : 1) + " tokens/s",
                    "expected: \(Self.text(pass.seconds)) for each pass, \(limit)",
                ],
            ]
        }
        return [
            ["disk", disk, note],
            ["pass", Self.text(pass.seconds), "expected for each pass of the model, \(limit)"],
            ["guess", Self.text(guess.seconds), "expected for each guess of the draft model"],
        ]
    }

    private static func text(_ seconds: Double) -> String {
        seconds < 0.9995
            ? (seconds * 1000).formatted(decimals: seconds < 0.00995 ? 1 : 0) + " ms"
            : seconds.formatted(decimals: seconds < 9.995 ? 2 : 1) + " s"
    }
}
