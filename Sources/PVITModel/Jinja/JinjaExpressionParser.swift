import Tensors

/// Reads an expression from the tokens of a tag, with Jinja's precedence: choice, or, and, not, comparison, sum,
/// concatenation, product, unary minus, filters and tests, members and calls.
struct JinjaExpressionParser {
    private var tokens: ArraySlice<JinjaToken>
    private var depth = 0
    private static let maximumDepth = 64

    init(_ tokens: [JinjaToken]) { self.tokens = tokens[...] }

    /// An expression that takes all tokens.
    mutating func whole() throws -> JinjaExpression {
        let result = try choice()
        try finish()
        return result
    }

    func finish() throws {
        guard tokens.isEmpty else { throw JinjaError.syntax("a tag has more than an expression") }
    }

    mutating func name() throws -> String {
        guard case .name(let name)? = tokens.popFirst() else { throw JinjaError.syntax("a name is missing") }
        return name
    }

    mutating func take(_ symbol: String) -> Bool {
        guard tokens.first == .symbol(symbol) else { return false }
        tokens.removeFirst()
        return true
    }

    mutating func takeName(_ name: String) -> Bool {
        guard tokens.first == .name(name) else { return false }
        tokens.removeFirst()
        return true
    }

    private mutating func expect(_ symbol: String) throws {
        guard take(symbol) else { throw JinjaError.syntax("a '\(symbol)' is missing") }
    }

    private mutating func choice() throws -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw JinjaError.syntax("it is nested too deeply") }
        let value = try withoutChoice()
        guard takeName("if") else { return value }
        let condition = try withoutChoice()
        return .choice(value, condition: condition, otherwise: takeName("else") ? try choice() : nil)
    }

    /// An expression that ends before an `if`.
    mutating func withoutChoice() throws -> JinjaExpression {
        var left = try conjunction()
        while takeName("or") { left = .binary("or", left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws -> JinjaExpression {
        var left = try negation()
        while takeName("and") { left = .binary("and", left, try negation()) }
        return left
    }

    private mutating func negation() throws -> JinjaExpression {
        var count = 0
        while takeName("not") { count += 1 }
        let value = try comparison()
        return count == 0 ? value : count % 2 == 1 ? .not(value) : .not(.not(value))
    }

    private mutating func comparison() throws -> JinjaExpression {
        var left = try sum()
        while true {
            if let symbol = takeAny(["==", "!=", "<", ">", "<=", ">="]) {
                left = .binary(symbol, left, try sum())
            } else if takeName("in") {
                left = .binary("in", left, try sum())
            } else if tokens.first == .name("not"), tokens.dropFirst().first == .name("in") {
                tokens.removeFirst(2)
                left = .not(.binary("in", left, try sum()))
            } else {
                return left
            }
        }
    }

    private mutating func takeAny(_ symbols: [String]) -> String? {
        guard case .symbol(let symbol)? = tokens.first, symbols.contains(symbol) else { return nil }
        tokens.removeFirst()
        return symbol
    }

    private mutating func sum() throws -> JinjaExpression {
        var left = try concatenation()
        while let symbol = takeAny(["+", "-"]) { left = .binary(symbol, left, try concatenation()) }
        return left
    }

    private mutating func concatenation() throws -> JinjaExpression {
        var left = try product()
        while take("~") { left = .binary("~", left, try product()) }
        return left
    }

    private mutating func product() throws -> JinjaExpression {
        var left = try unary()
        while let symbol = takeAny(["*", "//", "%"]) { left = .binary(symbol, left, try unary()) }
        return left
    }

    private mutating func unary() throws -> JinjaExpression {
        if take("-") { return .negative(try postfix(try primary())) }
        var value = try postfix(try primary())
        while true {
            if take("|") {
                let filter = try name()
                let (arguments, named) = tokens.first == .symbol("(") ? try arguments() : ([], [:])
                value = try postfix(.filter(filter, value, arguments, named: named))
            } else if takeName("is") {
                let isNegated = takeName("not")
                let test = try name()
                var operands: [JinjaExpression] = []
                if tokens.first == .symbol("(") {
                    operands = try arguments().0
                } else if Self.testsWithOperand.contains(test) {
                    operands = [try postfix(try primary())]
                }
                value = .test(test, value, operands)
                if isNegated { value = .not(value) }
            } else {
                return value
            }
        }
    }

    private static let testsWithOperand: Set = ["equalto", "eq", "divisibleby", "in"]

    private mutating func postfix(_ start: JinjaExpression) throws -> JinjaExpression {
        var value = start
        while true {
            if take(".") {
                value = .member(value, .literal(.string(try name())))
            } else if take("[") {
                value = try subscripted(value)
            } else if tokens.first == .symbol("(") {
                let (positional, named) = try arguments()
                value = .call(value, positional, named: named)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: JinjaExpression) throws -> JinjaExpression {
        let first = tokens.first == .symbol(":") ? nil : try choice()
        guard take(":") else {
            try expect("]")
            guard let first else { throw JinjaError.syntax("an index is missing") }
            return .member(value, first)
        }
        func isEnd() -> Bool { tokens.first == .symbol("]") || tokens.first == .symbol(":") }
        let second = isEnd() ? nil : try choice()
        let third = take(":") && !isEnd() ? try choice() : nil
        try expect("]")
        return .slice(value, from: first, to: second, step: third)
    }

    private mutating func arguments() throws -> ([JinjaExpression], [String: JinjaExpression]) {
        try expect("(")
        var positional: [JinjaExpression] = []
        var named: [String: JinjaExpression] = [:]
        while !take(")") {
            if case .name(let name)? = tokens.first, tokens.dropFirst().first == .symbol("=") {
                tokens.removeFirst(2)
                named[name] = try choice()
            } else {
                positional.append(try choice())
            }
            if tokens.first != .symbol(")") { try expect(",") }
        }
        return (positional, named)
    }

    private mutating func primary() throws -> JinjaExpression {
        switch tokens.popFirst() {
        case .string(let first)?:
            var value = first
            while case .string(let next)? = tokens.first {
                value += next
                tokens.removeFirst()
            }
            return .literal(.string(value))
        case .integer(let value)?: return .literal(.integer(value))
        case .name(let name)?:
            switch name {
            case "true", "True": return .literal(.bool(true))
            case "false", "False": return .literal(.bool(false))
            case "none", "None": return .literal(.none)
            default: return .name(name)
            }
        case .symbol("(")?:
            let first = try choice()
            guard tokens.first == .symbol(",") else {
                try expect(")")
                return first
            }
            return .list([first] + (try elements(until: ")")))
        case .symbol("[")?:
            guard !take("]") else { return .list([]) }
            let first = try choice()
            return .list([first] + (try elements(until: "]")))
        case .symbol("{")?: return try dictionary()
        default: throw JinjaError.syntax("a value is missing")
        }
    }

    private mutating func elements(until end: String) throws -> [JinjaExpression] {
        var result: [JinjaExpression] = []
        while !take(end) {
            try expect(",")
            if tokens.first != .symbol(end) { result.append(try choice()) }
        }
        return result
    }

    private mutating func dictionary() throws -> JinjaExpression {
        var members: [(JinjaExpression, JinjaExpression)] = []
        while !take("}") {
            let key = try choice()
            try expect(":")
            members.append((key, try choice()))
            if tokens.first != .symbol("}") { try expect(",") }
        }
        return .dictionary(members)
    }
}
