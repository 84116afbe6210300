/// How far the decoded elements of a tensor, or of a part of it, lie from the originals.
///
/// Sums are double precision and merge in a fixed order, so that the figures of a file do not depend on how many
/// threads made it.
public struct ErrorStatistics: Sendable, Hashable {
    /// The sum of the squared differences between decoded and original elements.
    public var squaredError: Double
    /// The largest absolute difference.
    public var maximumError: Double
    /// The sum of the squared original elements.
    public var squaredSum: Double
    /// The number of elements.
    public var count: Int

    /// Creates statistics; without arguments, those of no elements.
    public init(squaredError: Double = 0, maximumError: Double = 0, squaredSum: Double = 0, count: Int = 0) {
        self.squaredError = squaredError
        self.maximumError = maximumError
        self.squaredSum = squaredSum
        self.count = count
    }

    /// The root mean square error over the root mean square of the originals: sqrt(sum (y - x)² / sum x²).
    ///
    /// 0 when there is no error, and infinity when there is one although all originals are zero.
    public var relativeRMSE: Double { squaredError > 0 ? (squaredError / squaredSum).squareRoot() : 0 }

    /// Adds the statistics of the elements that follow. The order of calls decides the last bits of the sums.
    public mutating func merge(_ next: ErrorStatistics) {
        squaredError += next.squaredError
        maximumError = max(maximumError, next.maximumError)
        squaredSum += next.squaredSum
        count += next.count
    }
}
