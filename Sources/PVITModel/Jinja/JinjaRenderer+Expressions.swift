import Tensors

extension JinjaRenderer {
    mutating func value(of expression: JinjaExpression) throws -> JinjaValue {
        try spend(1)
        switch expression {
        case .literal(let literal): return literal.value
        case .name(let name): return lookUp(name)
        case .list(let elements): return .list(try values(of: elements))
        case .dictionary(let members):
            var result: [String: JinjaValue] = [:]
            for (key, member) in members { result[try value(of: key).text()] = try value(of: member) }
            return .dictionary(result)
        case .member(let base, let key): return try member(try value(of: base), try value(of: key))
        case .slice(let base, let from, let to, let step):
            return try slice(
                try value(of: base), try from.map { try value(of: $0) }, try to.map { try value(of: $0) },
                try step.map { try value(of: $0) })
        case .call(let function, let arguments, let named):
            guard case .function(let name, let base) = try value(of: function) else {
                throw JinjaError.runtime("something that is no function is called")
            }
            return try JinjaFunctions.call(name, of: base, try values(of: arguments), try values(of: named))
        case .filter(let name, let operand, let arguments, let named):
            return try JinjaFunctions.filter(
                name, try value(of: operand), try values(of: arguments), try values(of: named))
        case .test(let name, let operand, let arguments):
            return .bool(try JinjaFunctions.test(name, try value(of: operand), try values(of: arguments)))
        case .not(let operand): return .bool(!(try value(of: operand).isTrue))
        case .negative(let operand):
            guard let number = try value(of: operand).number else { throw JinjaError.runtime("'-' needs a number") }
            return .integer(0 &- number)
        case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
        case .choice(let first, let condition, let otherwise):
            if try value(of: condition).isTrue { return try value(of: first) }
            return try otherwise.map { try value(of: $0) } ?? .undefined
        }
    }

    private mutating func values(of expressions: [JinjaExpression]) throws -> [JinjaValue] {
        var result: [JinjaValue] = []
        for expression in expressions { result.append(try value(of: expression)) }
        return result
    }

    private mutating func values(of expressions: [String: JinjaExpression]) throws -> [String: JinjaValue] {
        var result: [String: JinjaValue] = [:]
        for (name, expression) in expressions { result[name] = try value(of: expression) }
        return result
    }

    private func member(_ base: JinjaValue, _ key: JinjaValue) throws -> JinjaValue {
        switch (base, key) {
        case (.dictionary(let members), .string(let name)):
            if let value = members[name] { return value }
            return JinjaFunctions.dictionaryMethods.contains(name) ? .function(name, of: base) : .undefined
        case (.namespace(let namespace), .string(let name)): return namespace.members[name] ?? .undefined
        case (.string, .string(let name)) where JinjaFunctions.stringMethods.contains(name):
            return .function(name, of: base)
        case (.list(let elements), .integer(let index)):
            let place = index < 0 ? index &+ elements.count : index
            return elements.indices.contains(place) ? elements[place] : .undefined
        case (.string(let text), .integer(let index)):
            let scalars = Array(text.unicodeScalars)
            let place = index < 0 ? index &+ scalars.count : index
            return scalars.indices.contains(place) ? .string(String(scalars[place])) : .undefined
        case (.undefined, _): throw JinjaError.runtime("a member of something undefined is used")
        default: return .undefined
        }
    }

    /// Python's slice of a list or a string; a negative step only as the reversal `[::-1]`.
    private func slice(
        _ base: JinjaValue, _ from: JinjaValue?, _ to: JinjaValue?, _ step: JinjaValue?
    ) throws -> JinjaValue {
        func bound(_ value: JinjaValue?, _ fallback: Int, _ count: Int) throws -> Int {
            guard let value, case .none = value else {
                guard let value else { return fallback }
                guard let number = value.number else { throw JinjaError.runtime("a slice needs numbers") }
                return min(max(number < 0 ? number &+ count : number, 0), count)
            }
            return fallback
        }
        func cut<Elements: BidirectionalCollection>(_ elements: Elements) throws -> [Elements.Element] {
            let all = Array(elements)
            let step = step?.number ?? 1
            if step == -1, from == nil, to == nil { return all.reversed() }
            guard step == 1 else { throw JinjaError.runtime("a slice in steps is not supported") }
            let (start, end) = (try bound(from, 0, all.count), try bound(to, all.count, all.count))
            return start < end ? Array(all[start..<end]) : []
        }
        switch base {
        case .list(let elements): return .list(try cut(elements))
        case .string(let text):
            var result = ""
            result.unicodeScalars.append(contentsOf: try cut(text.unicodeScalars))
            return .string(result)
        default: throw JinjaError.runtime("a slice of something that is no list")
        }
    }

    private mutating func binary(
        _ symbol: String, _ leftOperand: JinjaExpression, _ rightOperand: JinjaExpression
    ) throws -> JinjaValue {
        let left = try value(of: leftOperand)
        if symbol == "and" { return left.isTrue ? try value(of: rightOperand) : left }
        if symbol == "or" { return left.isTrue ? left : try value(of: rightOperand) }
        let right = try value(of: rightOperand)
        switch symbol {
        case "==": return .bool(JinjaValue.equal(left, right))
        case "!=": return .bool(!JinjaValue.equal(left, right))
        case "~": return .string(try left.text() + right.text())
        case "in": return .bool(try JinjaFunctions.contains(right, left))
        case "<", ">", "<=", ">=": return .bool(try Self.compare(symbol, left, right))
        default: break
        }
        switch (left, right) {
        case (.string(let a), .string(let b)) where symbol == "+": return .string(a + b)
        case (.list(let a), .list(let b)) where symbol == "+": return .list(a + b)
        default:
            guard let a = left.number, let b = right.number else {
                throw JinjaError.runtime("'\(symbol)' of values that it does not suit")
            }
            return .integer(try Self.calculate(symbol, a, b))
        }
    }

    private static func compare(_ symbol: String, _ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
        func holds<Value: Comparable>(_ a: Value, _ b: Value) -> Bool {
            switch symbol {
            case "<": a < b
            case ">": a > b
            case "<=": a <= b
            default: a >= b
            }
        }
        if let a = left.number, let b = right.number { return holds(a, b) }
        guard case .string(let a) = left, case .string(let b) = right else {
            throw JinjaError.runtime("'\(symbol)' of values without an order")
        }
        return holds(a, b)
    }

    /// Python's arithmetic: division and remainder round down.
    private static func calculate(_ symbol: String, _ a: Int, _ b: Int) throws -> Int {
        let (result, overflow): (Int, Bool)
        switch symbol {
        case "+": (result, overflow) = a.addingReportingOverflow(b)
        case "-": (result, overflow) = a.subtractingReportingOverflow(b)
        case "*": (result, overflow) = a.multipliedReportingOverflow(by: b)
        case "//", "%":
            guard b != 0, a != .min else { throw JinjaError.runtime("a division by zero") }
            let remainder = a % b
            let rounds = remainder != 0 && (remainder < 0) != (b < 0)
            result = symbol == "%" ? (rounds ? remainder + b : remainder) : a / b - (rounds ? 1 : 0)
            overflow = false
        default: throw JinjaError.runtime("'\(symbol)' is not supported")
        }
        guard !overflow else { throw JinjaError.runtime("a number is too large") }
        return result
    }
}
