extension JinjaRenderer {
    func value(of expression: JinjaExpression) throws -> JinjaValue {
        try budget.spend(JinjaBudget.evaluationCost)
        switch expression.kind {
        case .literal(let literal): return literal.value
        case .name(let name): return lookUp(name)
        default: return try nested { try compound(expression.kind) }
        }
    }

    private func lookUp(_ name: String) -> JinjaValue {
        if let value = scope[name] { return value }
        return Self.globals.contains(name) ? .function(.global(name)) : .undefined("'\(name)' is undefined")
    }

    private func compound(_ kind: JinjaExpression.Kind) throws -> JinjaValue {
        switch kind {
        case .literal(let literal): return literal.value
        case .name(let name): return lookUp(name)
        case .list(let elements, let isTuple):
            return try list(try elements.map { try value(of: $0) }, isTuple ? .tuple : .list)
        case .dictionary(let members):
            return .dictionary(
                try JinjaDictionary(
                    members.map { member in
                        let key = try value(of: member.key)
                        _ = try self.key(key)
                        return (key, try value(of: member.value))
                    }))
        case .attribute(let base, let name): return try attribute(name, of: value(of: base))
        case .item(let base, let key): return try item(try value(of: base), try value(of: key))
        case .slice(let base, let from, let to, let step):
            return try slice(
                try value(of: base), try from.map { try value(of: $0) }, try to.map { try value(of: $0) },
                try step.map { try value(of: $0) })
        case .call: return try call(kind, caller: nil)
        case .filter(let operand, let filter):
            return try apply(filter.name, to: value(of: operand), try arguments(filter.arguments))
        case .test(let operand, let name, let arguments):
            return .bool(try test(name, value(of: operand), try self.arguments(arguments)))
        case .not(let operand): return .bool(!(try value(of: operand).isTrue))
        case .sign(let operand, let isNegative): return try signed(try value(of: operand), isNegative)
        case .and(let left, let right):
            let first = try value(of: left)
            return first.isTrue ? try value(of: right) : first
        case .or(let left, let right):
            let first = try value(of: left)
            return first.isTrue ? first : try value(of: right)
        case .arithmetic(let symbol, let left, let right):
            return try calculate(symbol, try value(of: left), try value(of: right))
        case .comparison(let first, let others): return try comparison(first, others)
        case .concatenation(let operands):
            var builder = JinjaBuilder(budget)
            for operand in try operands.map({ try value(of: $0) }) { try builder.append(try text(of: operand)) }
            return .string(builder.string)
        case .choice(let first, let condition, let otherwise):
            if try value(of: condition).isTrue { return try value(of: first) }
            return try otherwise.map { try value(of: $0) }
                ?? .undefined("the condition is false, and there is no 'else'")
        }
    }

    /// Python's chained comparison: it holds if it holds between all neighbours.
    private func comparison(
        _ first: JinjaExpression, _ others: [(JinjaComparison, JinjaExpression)]
    ) throws -> JinjaValue {
        var left = try value(of: first)
        for (comparison, expression) in others {
            let right = try value(of: expression)
            guard try holds(comparison, left, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    func call(_ expression: JinjaExpression, caller: JinjaMacro) throws -> JinjaValue {
        try call(expression.kind, caller: caller)
    }

    private func call(_ kind: JinjaExpression.Kind, caller: JinjaMacro?) throws -> JinjaValue {
        guard case .call(let function, let expressions) = kind else {
            throw JinjaError.runtime("the tag 'call' has no call")
        }
        let callee = try value(of: function)
        var arguments = try arguments(expressions)
        if let caller { arguments.named.append(("caller", .function(.macro(caller)))) }
        return try call(callee, arguments)
    }

    func arguments(_ expressions: JinjaArgumentExpressions) throws -> JinjaArguments {
        var result = JinjaArguments()
        result.positional = try expressions.positional.map { try value(of: $0) }
        for (name, expression) in expressions.named { result.named.append((name, try value(of: expression))) }
        if let spread = expressions.spread { result.positional += try elements(of: try value(of: spread)) }
        if let spread = expressions.namedSpread {
            guard case .dictionary(let members) = try value(of: spread) else {
                throw JinjaError.runtime("'**' needs a dictionary")
            }
            for (key, value) in members.entries {
                guard case .string(let name) = key else { throw JinjaError.runtime("'**' needs names") }
                result.named.append((name.text, value))
            }
        }
        return result
    }

    /// Creates a list and counts its elements as work.
    func list(_ elements: [JinjaValue], _ kind: JinjaList.Kind = .list) throws -> JinjaValue {
        try budget.spend(elements.count, each: JinjaBudget.elementCost)
        return .list(try JinjaList(elements, kind))
    }

    /// The elements that iterating over a value visits.
    func elements(of value: JinjaValue) throws -> [JinjaValue] {
        let elements: [JinjaValue]
        switch value {
        case .list(let list): elements = list.elements
        case .dictionary(let members): elements = members.keys
        case .string(let text): elements = text.scalars.map { .string(JinjaString(CollectionOfOne($0))) }
        case .range(let range): elements = range.elements
        case .iterator(let iterator): elements = try iterator.takeAll()
        case .undefined: elements = []
        default: throw JinjaError.runtime("\(value.typeName) is not iterable")
        }
        try budget.spend(elements.count, each: JinjaBudget.elementCost)
        return elements
    }
}
