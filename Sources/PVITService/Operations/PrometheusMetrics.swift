import CoreMetrics
import NIOConcurrencyHelpers

/// A backend of swift-metrics that writes the text format of Prometheus, version 0.0.4.
final class PrometheusMetrics: MetricsFactory {
    private struct Key: Hashable {
        let label: String
        let dimensions: [String]
    }

    private let handlers = NIOLockedValueBox<[Key: PrometheusHandler]>([:])

    private func handler(_ label: String, _ dimensions: [(String, String)], _ kind: PrometheusHandler.Kind)
        -> PrometheusHandler
    {
        let key = Key(label: label, dimensions: dimensions.flatMap { [$0.0, $0.1] })
        return handlers.withLockedValue { handlers in
            if let handler = handlers[key] { return handler }
            let handler = PrometheusHandler(label, dimensions, kind)
            handlers[key] = handler
            return handler
        }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        handler(label, dimensions, .counter)
    }

    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        handler(label, dimensions, .counter)
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        handler(label, dimensions, .gauge)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        handler(label, dimensions, .summary)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        handler(label, dimensions, .summary)
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    /// All metrics as text, sorted by name.
    ///
    /// - Parameter help: What metrics mean, by their names.
    func text(help: [String: String]) -> String {
        let all = handlers.withLockedValue { Array($0.values) }
        var result = ""
        for (label, group) in Dictionary(grouping: all, by: \.label).sorted(by: { $0.key < $1.key }) {
            if let text = help[label] { result += "# HELP \(label) \(text)\n" }
            result += "# TYPE \(label) \(group[0].kind.rawValue)\n"
            result += group.flatMap(\.lines).sorted().map { $0 + "\n" }.joined()
        }
        return result
    }
}

/// A value, or a sum with a count.
private final class PrometheusHandler: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler,
    TimerHandler
{
    enum Kind: String {
        case counter
        case gauge
        case summary
    }

    let label: String
    let kind: Kind
    private let dimensions: String
    private let state = NIOLockedValueBox((value: 0.0, count: 0))

    init(_ label: String, _ dimensions: [(String, String)], _ kind: Kind) {
        self.label = label
        self.kind = kind
        let pairs = dimensions.map { name, value in
            let escaped = value.reduce(into: "") { text, character in
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.append(character)
                }
            }
            return "\(name)=\"\(escaped)\""
        }
        self.dimensions = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
    }

    var lines: [String] {
        let (value, count) = state.withLockedValue { $0 }
        guard kind == .summary else { return ["\(label)\(dimensions) \(Self.number(value))"] }
        return ["\(label)_count\(dimensions) \(count)", "\(label)_sum\(dimensions) \(Self.number(value))"]
    }

    private static func number(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }

    func increment(by amount: Int64) { increment(by: Double(amount)) }
    func increment(by amount: Double) { state.withLockedValue { $0.value += amount } }
    func decrement(by amount: Double) { increment(by: -amount) }
    func reset() { state.withLockedValue { $0 = (0, 0) } }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { state.withLockedValue { $0.value = value } }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLockedValue { state in
            state.value += value
            state.count += 1
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
