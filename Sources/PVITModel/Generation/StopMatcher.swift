/// Ends a stream at the first of several stop texts, and holds back what may be the beginning of one.
struct StopMatcher: Sendable {
    private let stops: [[UInt8]]
    private var pending: [UInt8] = []
    /// Whether a stop text was found. The stream has then ended.
    private(set) var hasStopped = false

    /// - Parameter stops: The stop texts. Empty ones never match.
    init(_ stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Appends text to the stream. Returns the text that cannot belong to a stop text.
    mutating func append(_ text: String) -> String {
        guard !hasStopped else { return "" }
        pending += text.utf8
        if let start = pending.indices.first(where: { start in stops.contains { pending[start...].starts(with: $0) } })
        {
            hasStopped = true
            return take(start)
        }
        // Hold back everything from the earliest index at which a stop text may begin.
        let held = pending.indices.first { start in stops.contains { $0.starts(with: pending[start...]) } }
        return take(held ?? pending.count)
    }

    /// Ends the stream. Returns the text that was held back.
    mutating func finish() -> String { hasStopped ? "" : take(pending.count) }

    private mutating func take(_ count: Int) -> String {
        defer { pending.removeFirst(count) }
        return String(decoding: pending[..<count], as: UTF8.self)
    }
}
