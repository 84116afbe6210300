/// The differences between the decoded elements of a tensor, or of some of its rows, and the originals.
///
/// Sums have double precision and are merged in a fixed order, so that the figures do not depend on the number of
/// threads.
package struct ErrorStatistics: Sendable, Hashable {
    /// The sum of the squared differences between decoded and original elements.
    package var squaredError: Double
    /// The largest absolute difference.
    package var maximumError: Double
    /// The sum of the squared original elements.
    package var squaredSum: Double
    /// The number of elements.
    package var count: Int

    /// Creates statistics; without arguments, those of no elements.
    package init(squaredError: Double = 0, maximumError: Double = 0, squaredSum: Double = 0, count: Int = 0) {
        self.squaredError = squaredError
        self.maximumError = maximumError
        self.squaredSum = squaredSum
        self.count = count
    }

    /// The root mean square error over the root mean square of the originals: sqrt(sum (y - x)² / sum x²).
    ///
    /// 0 if there is no error; infinity if there is one and all originals are zero.
    package var relativeRMSE: Double { squaredError > 0 ? (squaredError / squaredSum).squareRoot() : 0 }

    /// Adds the statistics of the next elements. The last bits of the sums depend on the order of calls. A count that
    /// does not fit `Int`, which only a damaged file can have, stays at the largest number.
    package mutating func merge(_ next: ErrorStatistics) {
        squaredError += next.squaredError
        maximumError = max(maximumError, next.maximumError)
        squaredSum += next.squaredSum
        let (sum, overflow) = count.addingReportingOverflow(next.count)
        count = overflow ? .max : sum
    }
}
