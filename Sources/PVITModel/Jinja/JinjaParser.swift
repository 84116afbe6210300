/// Parses the statements of a template, by recursive descent over its chunks.
struct JinjaParser {
    private let chunks: [JinjaChunk]
    private var position = 0
    private var depth = 0
    /// The number of enclosing loops that `break` and `continue` may leave.
    private var loopDepth = 0
    /// The names that occurred in expressions.
    private var names: Set<String> = []
    /// The tokens after the name of the tag that ended the last list of statements.
    private var end: JinjaExpressionParser?

    static func parse(_ template: String) throws -> [JinjaStatement] {
        var parser = JinjaParser(chunks: try JinjaLexer.chunks(of: template))
        return try parser.statements(until: []).0
    }

    private init(chunks: [JinjaChunk]) { self.chunks = chunks }

    /// Parses statements up to a tag that begins with one of `ends`.
    private mutating func statements(until ends: Set<String>) throws -> ([JinjaStatement], end: String) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JinjaBudget.blockDepth else {
            throw JinjaError.syntax("tags nest more than \(JinjaBudget.blockDepth) deep")
        }
        var result: [JinjaStatement] = []
        while position < chunks.count {
            let chunk = chunks[position]
            position += 1
            switch chunk {
            case .text(let text): result.append(.text(text))
            case .output(let tokens):
                result.append(.output(try parse(JinjaExpressionParser(tokens)) { try $0.whole() }))
            case .statement(let tokens):
                guard case .name(let keyword)? = tokens.first else { throw JinjaError.syntax("a tag has no name") }
                let rest = JinjaExpressionParser(Array(tokens.dropFirst()))
                if ends.contains(keyword) {
                    end = rest
                    return (result, keyword)
                }
                result += try statement(keyword, rest)
            }
        }
        guard ends.isEmpty else { throw JinjaError.syntax("the tag '\(ends.sorted().last ?? "")' is missing") }
        return (result, "")
    }

    /// Parses statements up to an end tag that consists of its name only.
    private mutating func body(until ends: Set<String>) throws -> ([JinjaStatement], end: String) {
        let result = try statements(until: ends)
        try end?.tokens.finish()
        return result
    }

    /// Parses a body that `break` cannot leave.
    private mutating func closedBody(until end: String) throws -> [JinjaStatement] {
        let outer = loopDepth
        loopDepth = 0
        defer { loopDepth = outer }
        return try body(until: [end]).0
    }

    private mutating func parse<Result>(
        _ parser: JinjaExpressionParser, _ read: (inout JinjaExpressionParser) throws -> Result
    ) throws -> Result {
        var parser = parser
        let result = try read(&parser)
        names.formUnion(parser.names)
        return result
    }

    private mutating func statement(_ keyword: String, _ rest: JinjaExpressionParser) throws -> [JinjaStatement] {
        switch keyword {
        case "if": return [try conditional(rest)]
        case "for": return [try loop(rest)]
        case "set": return [try assignment(rest)]
        case "macro": return [.macro(try macro(rest))]
        case "call": return [try call(rest)]
        case "filter":
            let filters = try parse(rest) { parser in
                let first = try parser.filter()
                return [first] + (try Self.filters(&parser))
            }
            return [.filter(filters, try closedBody(until: "endfilter"))]
        case "with":
            let values = try parse(rest) { try Self.bindings(&$0) }
            return [.scope(values, try body(until: ["endwith"]).0)]
        case "generation":
            try rest.tokens.finish()
            return [.scope([], try closedBody(until: "endgeneration"))]
        case "print":
            return try parse(rest) { parser in
                var result: [JinjaStatement] = []
                while !parser.tokens.isEmpty {
                    if !result.isEmpty { try parser.tokens.expect(",") }
                    result.append(.output(try parser.expression()))
                }
                return result
            }
        case "break", "continue":
            guard loopDepth > 0 else { throw JinjaError.syntax("'\(keyword)' is outside a loop") }
            try rest.tokens.finish()
            return [keyword == "break" ? .breakLoop : .continueLoop]
        default: throw JinjaError.syntax("the tag '\(keyword)' is not supported")
        }
    }

    private mutating func conditional(_ rest: JinjaExpressionParser) throws -> JinjaStatement {
        var branches: [JinjaBranch] = []
        var condition: JinjaExpression? = try self.condition(rest)
        while true {
            let (body, end) = try statements(until: condition == nil ? ["endif"] : ["elif", "else", "endif"])
            branches.append(JinjaBranch(condition: condition, body: body))
            if end != "elif" { try self.end?.tokens.finish() }
            if end == "endif" { return .conditional(branches) }
            condition = end == "elif" ? try self.end.map { try self.condition($0) } : nil
        }
    }

    private mutating func condition(_ rest: JinjaExpressionParser) throws -> JinjaExpression {
        try parse(rest) { parser in
            let result = try parser.tuple(withChoice: false)
            try parser.tokens.finish()
            return result
        }
    }

    private mutating func loop(_ rest: JinjaExpressionParser) throws -> JinjaStatement {
        let (target, sequence, condition, isRecursive) = try parse(rest) { parser in
            let target = try Self.target(&parser.tokens, mayBeMember: false)
            guard parser.tokens.takeName("in") else { throw JinjaError.syntax("a loop has no 'in'") }
            let sequence = try parser.tuple(withChoice: false, endsBefore: "recursive")
            let condition = parser.tokens.takeName("if") ? try parser.expression() : nil
            let isRecursive = parser.tokens.takeName("recursive")
            try parser.tokens.finish()
            return (target, sequence, condition, isRecursive)
        }
        loopDepth += 1
        let (body, end) = try body(until: ["else", "endfor"])
        loopDepth -= 1
        let otherwise = end == "else" ? try self.body(until: ["endfor"]).0 : []
        return .loop(
            JinjaForLoop(
                target: target, sequence: sequence, condition: condition, isRecursive: isRecursive, body: body,
                otherwise: otherwise))
    }

    private mutating func assignment(_ rest: JinjaExpressionParser) throws -> JinjaStatement {
        typealias Fields = (target: JinjaTarget, value: JinjaExpression?, filters: [JinjaAppliedFilter])
        let (target, value, filters) = try parse(rest) { parser -> Fields in
            let target = try Self.target(&parser.tokens, mayBeMember: true)
            if parser.tokens.take("=") { return (target, try parser.whole(), []) }
            return (target, nil, try Self.filters(&parser))
        }
        if let value { return .assignment(target, value) }
        return .blockAssignment(target, filters: filters, try closedBody(until: "endset"))
    }

    /// Parses filters, each after a `|`, up to the end of the tag.
    private static func filters(_ parser: inout JinjaExpressionParser) throws -> [JinjaAppliedFilter] {
        var filters: [JinjaAppliedFilter] = []
        while parser.tokens.take("|") { filters.append(try parser.filter()) }
        try parser.tokens.finish()
        return filters
    }

    private static func bindings(
        _ parser: inout JinjaExpressionParser
    ) throws -> [(JinjaTarget, JinjaExpression)] {
        var result: [(JinjaTarget, JinjaExpression)] = []
        while !parser.tokens.isEmpty {
            if !result.isEmpty { try parser.tokens.expect(",") }
            let target = JinjaTarget.name(try parser.tokens.name())
            try parser.tokens.expect("=")
            result.append((target, try parser.expression()))
        }
        return result
    }

    private static func target(
        _ tokens: inout JinjaTokenStream, mayBeMember: Bool, depth: Int = 0
    ) throws -> JinjaTarget {
        guard depth <= 8 else { throw JinjaError.syntax("an assignment nests more than 8 deep") }
        var targets: [JinjaTarget] = []
        var isTuple = false
        while !tokens.isEmpty, tokens.current != .symbol(")"), tokens.current != .name("in") {
            if tokens.take("(") {
                targets.append(try target(&tokens, mayBeMember: mayBeMember, depth: depth + 1))
                try tokens.expect(")")
            } else {
                let name = try tokens.name()
                guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
                    throw JinjaError.syntax("\(name) cannot be assigned to")
                }
                let isMember = mayBeMember && tokens.take(".")
                targets.append(isMember ? .member(name, try tokens.name()) : .name(name))
            }
            guard tokens.take(",") else { break }
            isTuple = true
        }
        guard let first = targets.first else { throw JinjaError.syntax("a name is missing") }
        return isTuple ? .tuple(targets) : first
    }

    private mutating func macro(_ rest: JinjaExpressionParser) throws -> JinjaMacroDefinition {
        let (name, parameters) = try parse(rest) { parser in
            let name = try parser.tokens.name()
            let parameters = try Self.parameters(&parser)
            try parser.tokens.finish()
            return (name, parameters)
        }
        return try definition(name, parameters, until: "endmacro")
    }

    private mutating func call(_ rest: JinjaExpressionParser) throws -> JinjaStatement {
        let (parameters, function) = try parse(rest) { parser in
            let parameters = parser.tokens.current == .symbol("(") ? try Self.parameters(&parser) : []
            return (parameters, try parser.expression())
        }
        guard case .call = function.kind else { throw JinjaError.syntax("the tag 'call' has no call") }
        return .call(function, caller: try definition("caller", parameters, until: "endcall"))
    }

    private static func parameters(_ parser: inout JinjaExpressionParser) throws -> [JinjaParameter] {
        try parser.tokens.expect("(")
        var result: [JinjaParameter] = []
        while !parser.tokens.take(")") {
            if !result.isEmpty { try parser.tokens.expect(",") }
            let name = try parser.tokens.name()
            let fallback = parser.tokens.take("=") ? try parser.expression() : nil
            guard fallback != nil || result.last?.fallback == nil else {
                throw JinjaError.syntax("the parameter '\(name)' needs a default, as one before it has one")
            }
            result.append(JinjaParameter(name: name, fallback: fallback))
        }
        return result
    }

    private mutating func definition(
        _ name: String, _ parameters: [JinjaParameter], until end: String
    ) throws -> JinjaMacroDefinition {
        let outer = names
        names = []
        let body = try closedBody(until: end)
        defer { names.formUnion(outer) }
        func asks(_ name: String) -> Bool { names.contains(name) && !parameters.contains { $0.name == name } }
        return JinjaMacroDefinition(
            name: name, parameters: parameters, body: body, takesMore: asks("varargs"), takesMoreNamed: asks("kwargs"),
            takesCaller: names.contains("caller"))
    }
}
