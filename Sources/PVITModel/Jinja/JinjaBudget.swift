/// How much a template may do: templates come with models, from strangers.
///
/// Work is counted in elements and code points that are made or looked at, and in expressions that are evaluated.
final class JinjaBudget {
    /// The longest template, in bytes of UTF-8.
    static let templateByteCount = 1 << 20
    /// How deep expressions may nest. Python's own parser ends there too.
    static let expressionDepth = 200
    /// How deep tags may nest.
    static let blockDepth = 100
    /// How deep lists and dictionaries may nest.
    static let valueDepth = 200
    /// How deep macros and loops may call themselves, in tags and expressions that are being evaluated.
    static let evaluationDepth = 1000
    /// The work of a template whose variables are empty.
    static let work = 4_000_000
    /// The work that each code point of the variables adds.
    static let workForEachScalar = 64
    /// What evaluating an expression counts, beside the text and the elements it makes.
    static let evaluationCost = 10
    /// What a code point counts that is looked up in Unicode's tables.
    static let propertyCost = 4
    /// What an element of a list counts.
    static let elementCost = 4

    private var left: Int
    private let limit: Int

    /// - Parameters:
    ///   - inputCount: The code points of the variables.
    ///   - work: The work of a template whose variables are empty.
    init(inputCount: Int, work: Int = JinjaBudget.work) {
        let (more, overflow) = inputCount.multipliedReportingOverflow(by: Self.workForEachScalar)
        limit = overflow ? .max : max(work, work &+ more)
        left = limit
    }

    /// Counts work before it is done.
    ///
    /// - Throws: `chat.template` when there is too much of it.
    func spend(_ amount: Int) throws {
        guard amount <= left else { throw JinjaError.runtime("it takes more than \(limit) steps") }
        left -= amount
    }

    /// Counts `count` things that cost so much each.
    func spend(_ count: Int, each cost: Int) throws {
        let (amount, overflow) = count.multipliedReportingOverflow(by: cost)
        try spend(overflow ? .max : amount)
    }
}
