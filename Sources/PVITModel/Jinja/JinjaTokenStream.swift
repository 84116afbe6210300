/// The tokens of a tag, one after the other.
struct JinjaTokenStream {
    private let tokens: [JinjaToken]
    private var place = 0

    init(_ tokens: [JinjaToken]) { self.tokens = tokens }

    var current: JinjaToken? { look(0) }
    var isEmpty: Bool { place >= tokens.count }

    func look(_ distance: Int) -> JinjaToken? {
        place + distance < tokens.count ? tokens[place + distance] : nil
    }

    mutating func next() -> JinjaToken? {
        defer { place += 1 }
        return current
    }

    mutating func skip(_ count: Int) { place += count }

    mutating func take(_ symbol: String) -> Bool {
        guard current == .symbol(symbol) else { return false }
        place += 1
        return true
    }

    mutating func takeName(_ name: String) -> Bool {
        guard current == .name(name) else { return false }
        place += 1
        return true
    }

    mutating func expect(_ symbol: String) throws {
        guard take(symbol) else { throw JinjaError.syntax("a '\(symbol)' is missing") }
    }

    mutating func name() throws -> String {
        guard case .name(let name)? = next() else { throw JinjaError.syntax("a name is missing") }
        return name
    }

    func finish() throws {
        guard isEmpty else { throw JinjaError.syntax("a tag has more than it can use") }
    }
}
