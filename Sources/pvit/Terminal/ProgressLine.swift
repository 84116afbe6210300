import Storage
import Platform

/// A line on standard error that shows the progress of long work: amount, rate and time left.
///
/// Nothing is shown unless standard error is a terminal. The line may be updated from any thread.
final class ProgressLine: Sendable {
    private let label: String
    private let unit: String?
    private let isShown: Bool
    private let start = ContinuousClock.now
    private let lastUpdate = Lock<ContinuousClock.Instant?>(nil)

    /// Creates a line.
    ///
    /// - Parameters:
    ///   - label: The work, such as `quantizing`.
    ///   - unit: The unit of progress, such as `windows`; nil for bytes.
    ///   - quiet: Whether to show nothing.
    init(_ label: String, unit: String? = nil, quiet: Bool) {
        self.label = label
        self.unit = unit
        isShown = !quiet && StandardError.isTerminal
    }

    /// Shows that `done` of `total` units are finished. Updates the line at most ten times a second.
    func update(done: UInt64, total: UInt64) {
        guard isShown else { return }
        let now = ContinuousClock.now
        lastUpdate.withLock { last in
            if let last, now - last < .milliseconds(100), done < total { return }
            last = now
            let seconds = Double((now - start) / .milliseconds(1)) / 1000
            let rate = seconds > 0 ? Double(done) / seconds : 0
            let percent = total > 0 ? Double(done) / Double(total) * 100 : 100
            var line = "\(label) \(percent.formatted(decimals: 0))%  \(text(done)) of \(text(total))"
            if rate > 0 {
                let left = Int(Double(total - min(done, total)) / rate)
                if unit == nil { line += "  \(text(UInt64(rate)))/s" }
                line += "  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
            }
            StandardError.write("\r\u{1B}[K\(line)")
        }
    }

    private func text(_ count: UInt64) -> String { unit.map { "\(count) \($0)" } ?? "\(ByteCount(count))" }

    /// Removes the line.
    func finish() {
        guard isShown else { return }
        StandardError.write("\r\u{1B}[K")
    }
}
