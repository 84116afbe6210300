import Tensors

/// A figure of a model's speed, or one of the machine's.
struct Measurement {
    /// What was measured.
    enum Test {
        /// Reading a prompt of some tokens.
        case prefill(tokens: Int)
        /// Making tokens one after the other, after `context` others.
        case decode(tokens: Int, context: Int)
        /// Reading memory.
        case read
        /// Multiplying 8-bit integers.
        case dot
    }

    let test: Test
    let threads: Int
    let times: RunTimes
    /// What one run does: bytes of weights or of memory that it reads, or operations of `dot`.
    let amount: Double
    /// Seconds that the machine's limits would allow for one run; nil when they are not known.
    var limit: Double?

    static let titles: [(String, TextTable.Alignment)] = [
        ("test", .left), ("tokens", .right), ("threads", .right), ("tokens/s", .right), ("spread", .right),
        ("weight GB/s", .right), ("limit", .right), ("share", .right),
    ]

    private var amountPerSecond: Double { amount / times.median / 1e9 }
    private var share: Double? { limit.map { $0 / times.median } }

    var cells: [String] {
        let spread = (times.spread * 100).formatted(decimals: 0) + "%"
        switch test {
        case .read: return ["read", "", "\(threads)", "", spread, amountPerSecond.formatted(decimals: 1), "", ""]
        case .dot:
            let speed = amountPerSecond.formatted(decimals: 0) + " GOPS"
            return ["dot", "", "\(threads)", "", spread, "", speed, ""]
        case .prefill(let tokens): return cells("prefill", tokens, spread)
        case .decode(let tokens, let context):
            return cells(context > 0 ? "decode after \(context)" : "decode", tokens, spread)
        }
    }

    private func cells(_ name: String, _ tokens: Int, _ spread: String) -> [String] {
        [
            name, "\(tokens)", "\(threads)", (Double(tokens) / times.median).formatted(decimals: 1), spread,
            amountPerSecond.formatted(decimals: 1), limit.map { (Double(tokens) / $0).formatted(decimals: 1) } ?? "-",
            share.map { ($0 * 100).formatted(decimals: 0) + "%" } ?? "-",
        ]
    }

    var json: JSONValue {
        var object = JSONObject()
        func add(_ name: String, tokens: Int) {
            object["test"] = .string(name)
            object["tokens"] = .integer(tokens)
            object["tokens_per_s"] = .number(Double(tokens) / times.median)
            object["weight_gb_per_s"] = .number(amountPerSecond)
            object["limit"] = limit.map { .number(Double(tokens) / $0) } ?? .null
            object["share_of_limit"] = share.map { .number($0) } ?? .null
        }
        switch test {
        case .prefill(let tokens): add("prefill", tokens: tokens)
        case .decode(let tokens, let context):
            add("decode", tokens: tokens)
            object["context"] = .integer(context)
        case .read:
            object["test"] = "read"
            object["gb_per_s"] = .number(amountPerSecond)
        case .dot:
            object["test"] = "dot"
            object["gops"] = .number(amountPerSecond)
        }
        object["threads"] = .integer(threads)
        object["spread"] = .number(times.spread)
        return .object(object)
    }
}
