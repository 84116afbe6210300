/// A Python string: a sequence of code points. Each code point keeps its origin (message or template) through all
/// operations. Comparisons ignore the origin.
struct JinjaString: Hashable, Sendable, ExpressibleByStringLiteral {
    var scalars: [PromptScalar]
    /// Whether the filter `safe` or `escape` made the text, which changes what `+` does.
    var isMarkup = false

    init(_ scalars: some Sequence<PromptScalar>) { self.scalars = Array(scalars) }

    init(_ text: String, isContent: Bool = false) {
        scalars = text.unicodeScalars.map { PromptScalar($0, isContent: isContent) }
    }

    init(stringLiteral text: String) { self.init(text) }

    var count: Int { scalars.count }

    /// The text without origins.
    var text: String { String(scalars) }

    static func == (left: JinjaString, right: JinjaString) -> Bool { left.scalars == right.scalars }
    func hash(into hasher: inout Hasher) { hasher.combine(scalars) }
}

/// Builds a text and counts its length as work before it grows.
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
