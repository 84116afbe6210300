import Compute
import LanguageModel
import Platform
import PVITModel
import Storage

/// A measured speed of a model or of the machine.
struct Measurement {
    /// What is measured.
    enum Test {
        /// Reading a prompt of `tokens` tokens.
        case prefill(tokens: Int)
        /// The same in the first pass after opening a file, which verifies the checksums of tiles.
        case firstPrefill(tokens: Int)
        /// Generating `tokens` tokens after `context` others.
        case decode(tokens: Int, context: Int)
        /// Reading weights from the disk while tokens are generated.
        case streaming
        /// Reading memory.
        case read
        /// Multiplying 8-bit integers.
        case dot
        /// Sharing a loop without work among the threads.
        case loop

        /// The number of tokens that are read or generated.
        var tokens: Int {
            switch self {
            case .prefill(let tokens), .firstPrefill(let tokens), .decode(let tokens, _): tokens
            case .streaming, .read, .dot, .loop: 0
            }
        }
    }

    var test: Test
    let instructionSet: InstructionSet
    let threads: Int
    let times: RunTimes
    /// The amount of work in one run: bytes of weights or memory read, operations of `dot`, or loops.
    var amount: Double
    /// The minimum seconds for one run by the machine's limits; nil if they are not known.
    var limit: Double?
    /// What streaming weights cost in the last run.
    var stream = StreamStatistics()

    static let titles: [(String, TextTable.Alignment)] = [
        ("test", .left), ("tokens", .right), ("threads", .right), ("tokens/s", .right), ("spread", .right),
        ("weight GB/s", .right), ("limit", .right), ("share", .right),
    ]

    private var amountPerSecond: Double { amount / times.median / 1e9 }
    private var microseconds: Double { times.median / amount * 1e6 }
    private var share: Double? { limit.map { $0 / times.median } }

    var cells: [String] {
        let spread = (times.spread * 100).formatted(decimals: 0) + "%"
        switch test {
        case .read:
            let speed = amountPerSecond.formatted(decimals: 1) + " GB/s"
            return [name, "", "\(threads)", "", spread, "", speed, ""]
        case .streaming:
            let disk = limit.map { (amount / $0 / 1e9).formatted(decimals: 2) + " GB/s" } ?? "-"
            let share = share.map { ($0 * 100).formatted(decimals: 0) + "%" } ?? "-"
            return [name, "", "\(threads)", "", spread, amountPerSecond.formatted(decimals: 2), disk, share]
        case .dot:
            let speed = amountPerSecond.formatted(decimals: 0) + " GOPS"
            return ["\(name) (\(instructionSet.rawValue))", "", "\(threads)", "", spread, "", speed, ""]
        case .loop:
            return [name, "", "\(threads)", "", spread, "", "\(microseconds.formatted(decimals: 1)) µs", ""]
        case .prefill, .firstPrefill, .decode:
            var title = name
            if case .decode(_, let context) = test, context > 0 { title += " after \(context)" }
            return [
                title, "\(tokens)", "\(threads)", (Double(tokens) / times.median).formatted(decimals: 1), spread,
                amountPerSecond.formatted(decimals: 1),
                limit.map { (Double(tokens) / $0).formatted(decimals: 1) } ?? "-",
                share.map { ($0 * 100).formatted(decimals: 0) + "%" } ?? "-",
            ]
        }
    }

    var json: JSONValue {
        // Every entry has the same members. They are 0 if there are no tokens.
        var object = JSONObject()
        object["test"] = .string(name)
        object["instruction_set"] = .string(instructionSet.rawValue)
        object["tokens"] = .integer(tokens)
        object["threads"] = .integer(threads)
        object["tokens_per_s"] = .number(Double(tokens) / times.median)
        object["spread"] = .number(times.spread)
        object["weight_gb_per_s"] = .number(readsWeights ? amountPerSecond : 0)
        object["limit"] = tokens > 0 ? limit.map { .number(Double(tokens) / $0) } ?? .null : .null
        object["share_of_limit"] = share.map { .number($0) } ?? .null
        switch test {
        case .prefill, .firstPrefill: break
        case .decode(_, let context):
            object["context"] = .integer(context)
            object["bytes_read_per_token"] = .number(Double(stream.readByteCount) / Double(max(tokens, 1)))
            object["reader_stall_s"] = .number(stream.stallTime.seconds)
            object["peak_rss_bytes"] = .integer(Int(clamping: ProcessStatus().peakResidentByteCount))
        case .streaming:
            object["gb_per_s"] = .number(amountPerSecond)
            object["disk_gb_per_s"] = limit.map { .number(amount / $0 / 1e9) } ?? .null
        case .read: object["gb_per_s"] = .number(amountPerSecond)
        case .dot: object["gops"] = .number(amountPerSecond)
        case .loop: object["us"] = .number(microseconds)
        }
        return .object(object)
    }

    private var name: String {
        switch test {
        case .prefill: "prefill"
        case .firstPrefill: "first prefill"
        case .decode: "decode"
        case .streaming: "streaming"
        case .read: "read"
        case .dot: "dot"
        case .loop: "loop"
        }
    }

    private var tokens: Int { test.tokens }

    private var readsWeights: Bool { tokens > 0 }
}
