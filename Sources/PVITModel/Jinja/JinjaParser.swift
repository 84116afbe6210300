import Tensors

/// Reads the statements of a template, by recursive descent over its pieces.
struct JinjaParser {
    private let pieces: [JinjaPiece]
    private var place = 0
    private var depth = 0
    private static let maximumDepth = 64

    static func parse(_ template: String) throws -> [JinjaStatement] {
        var parser = JinjaParser(pieces: try JinjaLexer.pieces(of: template))
        let (statements, end) = try parser.statements(until: [])
        guard end == nil else { throw JinjaError.syntax("an unexpected '\(end ?? "")'") }
        return statements
    }

    private init(pieces: [JinjaPiece]) { self.pieces = pieces }

    /// Statements up to a tag that begins with one of `ends`, which is left as the current piece's predecessor.
    private mutating func statements(until ends: Set<String>) throws -> ([JinjaStatement], end: String?) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw JinjaError.syntax("it is nested too deeply") }
        var result: [JinjaStatement] = []
        while place < pieces.count {
            let piece = pieces[place]
            place += 1
            switch piece {
            case .text(let text): result.append(.text(text))
            case .output(let tokens):
                var expressions = JinjaExpressionParser(tokens)
                result.append(.output(try expressions.whole()))
            case .statement(let tokens):
                guard case .name(let keyword)? = tokens.first else { throw JinjaError.syntax("a tag has no name") }
                if ends.contains(keyword) { return (result, keyword) }
                result += try statement(keyword, JinjaExpressionParser(Array(tokens.dropFirst())))
            }
        }
        guard ends.isEmpty else { throw JinjaError.syntax("a tag lacks its end") }
        return (result, nil)
    }

    private mutating func statement(_ keyword: String, _ parser: JinjaExpressionParser) throws -> [JinjaStatement] {
        var tokens = parser
        switch keyword {
        case "if": return [try conditional(try tokens.whole())]
        case "for":
            var names = [try tokens.name()]
            while tokens.take(",") { names.append(try tokens.name()) }
            guard tokens.takeName("in") else { throw JinjaError.syntax("a loop without 'in'") }
            let sequence = try tokens.withoutChoice()
            let condition = tokens.takeName("if") ? try tokens.withoutChoice() : nil
            try tokens.finish()
            let (body, end) = try statements(until: ["else", "endfor"])
            let otherwise = end == "else" ? try statements(until: ["endfor"]).0 : []
            return [.loop(names: names, sequence, condition: condition, body: body, otherwise: otherwise)]
        case "set":
            let name = try tokens.name()
            let attribute = tokens.take(".") ? try tokens.name() : nil
            guard tokens.take("=") else { throw JinjaError.syntax("an assignment without '='") }
            return [.assignment(name, attribute: attribute, try tokens.whole())]
        case "generation": return try statements(until: ["endgeneration"]).0
        default: throw JinjaError.syntax("the tag '\(keyword)' is not supported")
        }
    }

    private mutating func conditional(_ first: JinjaExpression) throws -> JinjaStatement {
        var branches: [(JinjaExpression?, [JinjaStatement])] = []
        var condition: JinjaExpression? = first
        while true {
            let (body, end) = try statements(until: condition == nil ? ["endif"] : ["elif", "else", "endif"])
            branches.append((condition, body))
            if end == "endif" { return .conditional(branches) }
            condition = nil
            if end == "elif", case .statement(let tokens) = pieces[place - 1] {
                var expressions = JinjaExpressionParser(Array(tokens.dropFirst()))
                condition = try expressions.whole()
            }
        }
    }
}
