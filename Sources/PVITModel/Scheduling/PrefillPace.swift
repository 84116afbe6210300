/// Chooses how many prompt tokens go into one pass, so that answers that have begun are not held up for long.
struct PrefillPace {
    /// The number of tokens of a pass, if nobody waits for it. A larger one would only be a little faster.
    private static let aloneCount = 128
    private static let sharedCounts = 16...128
    /// The time that a pass should take while others wait, in seconds.
    private static let passTime = 0.25
    /// Passes of fewer tokens say nothing about the speed of prefill, because reading the weights bounds them.
    private static let smallestMeasured = 16

    /// The prompt tokens that are read in a second; nil until a pass was measured.
    private var rate: Double?

    /// Records how long a pass took.
    mutating func record(rowCount: Int, _ time: Duration) {
        let seconds = time.seconds
        guard rowCount >= Self.smallestMeasured, seconds > 0 else { return }
        let latest = Double(rowCount) / seconds
        rate = rate.map { 0.75 * $0 + 0.25 * latest } ?? latest
    }

    /// The number of prompt tokens for the next pass.
    func sliceCount(isAlone: Bool) -> Int {
        guard !isAlone else { return Self.aloneCount }
        guard let rate else { return 32 }
        let count = Int(min(rate * Self.passTime, Double(Self.sharedCounts.upperBound)))
        return max(count / 16 * 16, Self.sharedCounts.lowerBound)
    }
}
