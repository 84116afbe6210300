/// A text as Python has it: a sequence of code points. Where they come from is carried along by everything that is done
/// with them, and does not count in comparisons.
struct JinjaString: Hashable, Sendable, ExpressibleByStringLiteral {
    var scalars: [PromptScalar]
    /// Whether the filters `safe` or `escape` made it, which changes what `+` does.
    var isMarkup = false

    init(_ scalars: some Sequence<PromptScalar>) { self.scalars = Array(scalars) }

    init(_ text: String, isContent: Bool = false) {
        scalars = text.unicodeScalars.map { PromptScalar($0, isContent: isContent) }
    }

    init(stringLiteral text: String) { self.init(text) }

    var count: Int { scalars.count }

    /// The text alone.
    var text: String { String(scalars) }

    static func == (left: JinjaString, right: JinjaString) -> Bool { left.scalars == right.scalars }
    func hash(into hasher: inout Hasher) { hasher.combine(scalars) }
}

/// A text in the making, whose length counts before it is there.
struct JinjaBuilder {
    private(set) var scalars: [PromptScalar] = []
    private let budget: JinjaBudget

    init(_ budget: JinjaBudget) { self.budget = budget }

    mutating func append(_ text: some Collection<PromptScalar>) throws {
        try budget.spend(text.count)
        scalars += text
    }

    mutating func append(_ text: JinjaString) throws { try append(text.scalars) }

    mutating func append(_ text: String) throws { try append(JinjaString(text)) }

    mutating func append(_ text: some Collection<PromptScalar>, times count: Int) throws {
        guard count > 0 else { return }
        try budget.spend(text.count, each: count)
        scalars.reserveCapacity(scalars.count + text.count * count)
        for _ in 0..<count { scalars += text }
    }

    var string: JinjaString { JinjaString(scalars) }
}
