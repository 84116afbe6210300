/// Ends a stream where one of some texts is complete, and holds back what may be the beginning of one.
struct StopMatcher: Sendable {
    private let stops: [[UInt8]]
    private var pending: [UInt8] = []
    /// Whether one of the texts was found. The stream is over then.
    private(set) var hasStopped = false

    /// - Parameter stops: The texts; empty ones never match.
    init(_ stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Takes the next part of the stream, and returns what is certain not to belong to a stop text.
    mutating func append(_ text: String) -> String {
        guard !hasStopped else { return "" }
        pending += text.utf8
        if let start = pending.indices.first(where: { start in stops.contains { pending[start...].starts(with: $0) } })
        {
            hasStopped = true
            return take(start)
        }
        // The earliest place at which a stop text may still come to be: nothing from there on is given out.
        let held = pending.indices.first { start in stops.contains { $0.starts(with: pending[start...]) } }
        return take(held ?? pending.count)
    }

    /// Returns what was held back, as the stream has ended.
    mutating func finish() -> String { hasStopped ? "" : take(pending.count) }

    private mutating func take(_ count: Int) -> String {
        defer { pending.removeFirst(count) }
        return String(decoding: pending[..<count], as: UTF8.self)
    }
}
