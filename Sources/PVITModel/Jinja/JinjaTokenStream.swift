/// The tokens of a tag, read from left to right.
struct JinjaTokenStream {
    private let tokens: [JinjaToken]
    private var position = 0

    init(_ tokens: [JinjaToken]) { self.tokens = tokens }

    var current: JinjaToken? { look(0) }
    var isEmpty: Bool { position >= tokens.count }

    func look(_ distance: Int) -> JinjaToken? {
        position + distance < tokens.count ? tokens[position + distance] : nil
    }

    mutating func next() -> JinjaToken? {
        defer { position += 1 }
        return current
    }

    mutating func skip(_ count: Int) { position += count }

    mutating func take(_ symbol: String) -> Bool {
        guard current == .symbol(symbol) else { return false }
        position += 1
        return true
    }

    mutating func takeName(_ name: String) -> Bool {
        guard current == .name(name) else { return false }
        position += 1
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
        guard isEmpty else { throw JinjaError.syntax("a tag has more tokens than it can use") }
    }
}
