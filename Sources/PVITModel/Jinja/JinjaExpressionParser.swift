/// Parses expressions from the tokens of a tag. From loosest to tightest, Jinja's precedence is: choice, or, and, not,
/// comparison, sum, concatenation, product, power, sign, filters and tests, members and calls.
struct JinjaExpressionParser {
    var tokens: JinjaTokenStream
    /// The names that occurred.
    private(set) var names: Set<String> = []
    private var depth = 0

    init(_ tokens: [JinjaToken]) { self.tokens = JinjaTokenStream(tokens) }

    /// Parses all tokens as one expression.
    mutating func whole() throws -> JinjaExpression {
        let result = try tuple()
        try tokens.finish()
        return result
    }

    /// Parses an expression, or several separated by commas, which make a tuple.
    mutating func tuple(
        withChoice: Bool = true, endsBefore name: String? = nil, inParentheses: Bool = false
    ) throws -> JinjaExpression {
        var elements: [JinjaExpression] = []
        var isTuple = false
        while true {
            if !elements.isEmpty { try tokens.expect(",") }
            if tokens.isEmpty || tokens.current == .symbol(")") || (name != nil && tokens.current == .name(name ?? ""))
            {
                break
            }
            elements.append(withChoice ? try expression() : try withoutChoice())
            guard tokens.current == .symbol(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let first = elements.first { return first }
            guard inParentheses else { throw JinjaError.syntax("a value is missing") }
        }
        return try JinjaExpression(.list(elements, isTuple: true))
    }

    mutating func expression() throws -> JinjaExpression {
        try enter()
        defer { depth -= 1 }
        var value = try disjunction()
        while tokens.takeName("if") {
            let condition = try disjunction()
            let otherwise = tokens.takeName("else") ? try expression() : nil
            value = try JinjaExpression(.choice(value, condition: condition, otherwise: otherwise))
        }
        return value
    }

    private mutating func enter() throws {
        depth += 1
        guard depth <= JinjaBudget.expressionDepth else {
            throw JinjaError.syntax("an expression nests more than \(JinjaBudget.expressionDepth) deep")
        }
    }

    /// Parses an expression that ends before an `if`.
    mutating func withoutChoice() throws -> JinjaExpression { try disjunction() }

    private mutating func disjunction() throws -> JinjaExpression {
        var left = try conjunction()
        while tokens.takeName("or") { left = try JinjaExpression(.or(left, try conjunction())) }
        return left
    }

    private mutating func conjunction() throws -> JinjaExpression {
        var left = try negation()
        while tokens.takeName("and") { left = try JinjaExpression(.and(left, try negation())) }
        return left
    }

    private mutating func negation() throws -> JinjaExpression {
        guard tokens.takeName("not") else { return try comparison() }
        try enter()
        defer { depth -= 1 }
        return try JinjaExpression(.not(try negation()))
    }

    private mutating func comparison() throws -> JinjaExpression {
        let first = try sum()
        var others: [(JinjaComparison, JinjaExpression)] = []
        while let comparison = takeComparison() { others.append((comparison, try sum())) }
        return others.isEmpty ? first : try JinjaExpression(.comparison(first, others))
    }

    private mutating func takeComparison() -> JinjaComparison? {
        if case .symbol(let symbol)? = tokens.current, let comparison = JinjaComparison(rawValue: symbol) {
            tokens.skip(1)
            return comparison
        }
        if tokens.takeName("in") { return .isIn }
        guard tokens.current == .name("not"), tokens.look(1) == .name("in") else { return nil }
        tokens.skip(2)
        return .isNotIn
    }

    private mutating func takeOperator(_ operators: [JinjaOperator]) -> JinjaOperator? {
        guard case .symbol(let symbol)? = tokens.current, let result = JinjaOperator(rawValue: symbol),
            operators.contains(result)
        else { return nil }
        tokens.skip(1)
        return result
    }

    private mutating func sum() throws -> JinjaExpression {
        var left = try concatenation()
        while let sign = takeOperator([.add, .subtract]) {
            left = try JinjaExpression(.arithmetic(sign, left, try concatenation()))
        }
        return left
    }

    private mutating func concatenation() throws -> JinjaExpression {
        let first = try product()
        var operands = [first]
        while tokens.take("~") { operands.append(try product()) }
        return operands.count == 1 ? first : try JinjaExpression(.concatenation(operands))
    }

    private mutating func product() throws -> JinjaExpression {
        var left = try power()
        while let sign = takeOperator([.multiply, .divide, .floorDivide, .remainder]) {
            left = try JinjaExpression(.arithmetic(sign, left, try power()))
        }
        return left
    }

    private mutating func power() throws -> JinjaExpression {
        var left = try signed(withFilters: true)
        while tokens.take("**") {
            let exponent = try signed(withFilters: true)
            if case .sign(let base, isNegative: true) = left.kind, case .literal = base.kind, !exponent.isConstant {
                // Jinja writes the base as a negative number, but Python applies the sign after the power.
                left = try JinjaExpression(
                    .sign(try JinjaExpression(.arithmetic(.power, base, exponent)), isNegative: true))
            } else {
                left = try JinjaExpression(.arithmetic(.power, left, exponent))
            }
        }
        return left
    }

    private mutating func signed(withFilters: Bool) throws -> JinjaExpression {
        try enter()
        defer { depth -= 1 }
        var value: JinjaExpression
        if tokens.take("-") {
            value = try JinjaExpression(.sign(try signed(withFilters: false), isNegative: true))
        } else if tokens.take("+") {
            value = try JinjaExpression(.sign(try signed(withFilters: false), isNegative: false))
        } else {
            value = try primary()
        }
        value = try postfix(value)
        guard withFilters else { return value }
        while true {
            if tokens.take("|") {
                value = try JinjaExpression(.filter(value, try filter()))
            } else if tokens.takeName("is") {
                value = try test(value)
            } else if tokens.current == .symbol("(") {
                value = try JinjaExpression(.call(value, try arguments()))
            } else {
                return value
            }
        }
    }

    /// Parses a filter after its `|`.
    mutating func filter() throws -> JinjaAppliedFilter {
        let name = try dottedName()
        return JinjaAppliedFilter(
            name: name, arguments: tokens.current == .symbol("(") ? try arguments() : JinjaArgumentExpressions())
    }

    private mutating func dottedName() throws -> String {
        var name = try tokens.name()
        while tokens.take(".") { name += "." + (try tokens.name()) }
        return name
    }

    private mutating func test(_ value: JinjaExpression) throws -> JinjaExpression {
        let isNegated = tokens.takeName("not")
        let name = try dottedName()
        var arguments = JinjaArgumentExpressions()
        switch tokens.current {
        case .symbol("(")?: arguments = try self.arguments()
        case .name("else")?, .name("or")?, .name("and")?: break
        case .name("is")?: throw JinjaError.syntax("tests cannot be chained")
        case .name?, .string?, .integer?, .float?, .symbol("[")?, .symbol("{")?:
            arguments.positional = [try postfix(try primary())]
        default: break
        }
        let result = try JinjaExpression(.test(value, name, arguments))
        return isNegated ? try JinjaExpression(.not(result)) : result
    }

    private mutating func postfix(_ start: JinjaExpression) throws -> JinjaExpression {
        var value = start
        while true {
            if tokens.take(".") {
                switch tokens.next() {
                case .name(let name)?: value = try JinjaExpression(.attribute(value, name))
                case .integer(let number)?:
                    value = try JinjaExpression(.item(value, try JinjaExpression(.literal(.integer(number)))))
                default: throw JinjaError.syntax("a name is missing after '.'")
                }
            } else if tokens.take("[") {
                value = try subscripted(value)
            } else if tokens.current == .symbol("(") {
                value = try JinjaExpression(.call(value, try arguments()))
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: JinjaExpression) throws -> JinjaExpression {
        let first = tokens.current == .symbol(":") ? nil : try expression()
        guard tokens.take(":") else {
            guard let first else { throw JinjaError.syntax("an index is missing") }
            guard tokens.current == .symbol(",") else {
                try tokens.expect("]")
                return try JinjaExpression(.item(value, first))
            }
            var keys = [first]
            while !tokens.take("]") {
                try tokens.expect(",")
                if tokens.current != .symbol("]") { keys.append(try expression()) }
            }
            return try JinjaExpression(.item(value, try JinjaExpression(.list(keys, isTuple: true))))
        }
        func isEnd() -> Bool { tokens.current == .symbol("]") || tokens.current == .symbol(":") }
        let second = isEnd() ? nil : try expression()
        let third = tokens.take(":") && !isEnd() ? try expression() : nil
        try tokens.expect("]")
        return try JinjaExpression(.slice(value, from: first, to: second, step: third))
    }

    private mutating func arguments() throws -> JinjaArgumentExpressions {
        try tokens.expect("(")
        var result = JinjaArgumentExpressions()
        let misplaced = JinjaError.syntax("the arguments of a call are in the wrong order")
        while !tokens.take(")") {
            if tokens.take("*") {
                guard result.spread == nil, result.namedSpread == nil else { throw misplaced }
                result.spread = try expression()
            } else if tokens.take("**") {
                guard result.namedSpread == nil else { throw misplaced }
                result.namedSpread = try expression()
            } else if case .name(let name)? = tokens.current, tokens.look(1) == .symbol("=") {
                guard result.namedSpread == nil else { throw misplaced }
                tokens.skip(2)
                result.named.append((name, try expression()))
            } else {
                guard result.named.isEmpty, result.spread == nil, result.namedSpread == nil else { throw misplaced }
                result.positional.append(try expression())
            }
            if tokens.current != .symbol(")") { try tokens.expect(",") }
        }
        return result
    }

    private mutating func primary() throws -> JinjaExpression {
        switch tokens.next() {
        case .string(var text)?:
            while case .string(let next)? = tokens.current {
                text.scalars += next.scalars
                tokens.skip(1)
            }
            return try JinjaExpression(.literal(.string(text)))
        case .integer(let value)?: return try JinjaExpression(.literal(.integer(value)))
        case .float(let value)?: return try JinjaExpression(.literal(.float(value)))
        case .name(let name)?:
            switch name {
            case "true", "True": return try JinjaExpression(.literal(.bool(true)))
            case "false", "False": return try JinjaExpression(.literal(.bool(false)))
            case "none", "None": return try JinjaExpression(.literal(.none))
            default:
                names.insert(name)
                return try JinjaExpression(.name(name))
            }
        case .symbol("(")?:
            let value = try tuple(inParentheses: true)
            try tokens.expect(")")
            return value
        case .symbol("[")?:
            var elements: [JinjaExpression] = []
            while !tokens.take("]") {
                elements.append(try expression())
                if tokens.current != .symbol("]") { try tokens.expect(",") }
            }
            return try JinjaExpression(.list(elements, isTuple: false))
        case .symbol("{")?:
            var members: [(key: JinjaExpression, value: JinjaExpression)] = []
            while !tokens.take("}") {
                let key = try expression()
                try tokens.expect(":")
                members.append((key, try expression()))
                if tokens.current != .symbol("}") { try tokens.expect(",") }
            }
            return try JinjaExpression(.dictionary(members))
        default: throw JinjaError.syntax("a value is missing")
        }
    }
}
