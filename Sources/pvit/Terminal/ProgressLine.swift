import Synchronization
import Tensors

/// One line on standard error that tells how far long work is: bytes, rate and time left.
///
/// Nothing is shown unless standard error is a terminal. May be updated from any thread.
final class ProgressLine: Sendable {
    private let label: String
    private let isShown: Bool
    private let start = ContinuousClock.now
    private let lastUpdate = Mutex<ContinuousClock.Instant?>(nil)

    /// Creates a line.
    ///
    /// - Parameters:
    ///   - label: What is being done, such as `quantizing`.
    ///   - quiet: Whether the user wants no progress.
    init(_ label: String, quiet: Bool) {
        self.label = label
        isShown = !quiet && StandardError.isTerminal
    }

    /// Shows that `done` of `total` bytes are finished; at most ten times a second.
    func update(done: UInt64, total: UInt64) {
        guard isShown else { return }
        let now = ContinuousClock.now
        lastUpdate.withLock { last in
            if let last, now - last < .milliseconds(100), done < total { return }
            last = now
            let seconds = Double((now - start) / .milliseconds(1)) / 1000
            let rate = seconds > 0 ? Double(done) / seconds : 0
            let percent = total > 0 ? Double(done) / Double(total) * 100 : 100
            var line = "\(label) \(percent.formatted(decimals: 0))%  \(ByteCount(done)) of \(ByteCount(total))"
            if rate > 0 {
                let left = Int(Double(total - min(done, total)) / rate)
                line += "  \(ByteCount(UInt64(rate)))/s  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
            }
            StandardError.write("\r\u{1B}[K\(line)")
        }
    }

    /// Removes the line.
    func finish() {
        guard isShown else { return }
        StandardError.write("\r\u{1B}[K")
    }
}
