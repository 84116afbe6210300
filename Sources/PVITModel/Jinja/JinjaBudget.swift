/// Limits the work of a template, because templates come with models and are not trusted.
///
/// Work counts the elements and code points that are created or examined, and the expressions that are evaluated.
final class JinjaBudget {
    /// The maximum size of a template, in bytes of UTF-8.
    static let templateByteCount = 1 << 20
    /// The maximum nesting depth of expressions. Python's own parser has the same limit.
    static let expressionDepth = 200
    /// The maximum nesting depth of tags.
    static let blockDepth = 100
    /// The maximum nesting depth of lists and dictionaries.
    static let valueDepth = 200
    /// The maximum depth of recursion through macros and loops, counted in tags and expressions under evaluation.
    static let evaluationDepth = 1000
    /// The work that a template may do if its variables are empty.
    static let work = 4_000_000
    /// The additional work for each code point of the variables.
    static let workForEachScalar = 64
    /// The cost of evaluating an expression, apart from the text and elements that it creates.
    static let evaluationCost = 10
    /// The cost of looking a code point up in Unicode's tables.
    static let propertyCost = 4
    /// The cost of a list element.
    static let elementCost = 4

    private var left: Int
    private let limit: Int

    /// - Parameters:
    ///   - inputCount: The number of code points in the variables.
    ///   - work: The work that a template may do if its variables are empty.
    init(inputCount: Int, work: Int = JinjaBudget.work) {
        let (more, overflow) = inputCount.multipliedReportingOverflow(by: Self.workForEachScalar)
        limit = overflow ? .max : max(work, work &+ more)
        left = limit
    }

    /// Counts work before it is done.
    ///
    /// - Throws: `chat.template` if the budget is exceeded.
    func spend(_ amount: Int) throws {
        guard amount <= left else { throw JinjaError.runtime("it takes more than \(limit) steps") }
        left -= amount
    }

    /// Counts `count` items of the same cost.
    func spend(_ count: Int, each cost: Int) throws {
        let (amount, overflow) = count.multipliedReportingOverflow(by: cost)
        try spend(overflow ? .max : amount)
    }
}
