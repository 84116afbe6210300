/// The mean of some values, or a function of it, with its standard error.
package struct Estimate: Sendable, Hashable {
    /// The mean; not a number if there are no values.
    package let value: Double
    /// The standard error, taking the values as independent; nil for a single value.
    package let standardError: Double?

    private init(value: Double, standardError: Double?) {
        self.value = value
        self.standardError = standardError
    }

    /// The mean of values.
    init(meanOf values: [Double]) {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.init(
            value: mean, standardError: values.count > 1 ? (squares / count / (count - 1)).squareRoot() : nil)
    }

    /// A function of the estimate, whose error is multiplied by the function's slope.
    func mapped(by function: (Double) -> Double, slope: (Double) -> Double) -> Estimate {
        Estimate(value: function(value), standardError: standardError.map { $0 * slope(value) })
    }
}
