extension JinjaRenderer {
    private static let comparisons: [String: JinjaComparison] = [
        "==": .equal, "eq": .equal, "equalto": .equal, "!=": .notEqual, "ne": .notEqual, "<": .less, "lt": .less,
        "lessthan": .less, "<=": .lessOrEqual, "le": .lessOrEqual, ">": .greater, "gt": .greater,
        "greaterthan": .greater, ">=": .greaterOrEqual, "ge": .greaterOrEqual, "in": .isIn,
    ]

    /// Whether a test holds, by its name in Jinja.
    func test(_ name: String, _ value: JinjaValue, _ arguments: JinjaArguments) throws -> Bool {
        try budget.spend(JinjaBudget.evaluationCost)
        if let comparison = Self.comparisons[name] {
            let operand = try arguments.bound(to: ["other"], of: name, required: 1)[0].orNone
            return try holds(comparison, value, operand)
        }
        switch name {
        case "divisibleby":
            let divisor = try arguments.bound(to: ["num"], of: name, required: 1)[0].orNone
            return try equal(try calculate(.remainder, value, divisor), .integer(0))
        case "sameas":
            return isSame(value, try arguments.bound(to: ["other"], of: name, required: 1)[0].orNone)
        default: _ = try arguments.bound(to: [], of: name)
        }
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "odd": return try equal(try calculate(.remainder, value, .integer(2)), .integer(1))
        case "even": return try equal(try calculate(.remainder, value, .integer(2)), .integer(0))
        case "lower", "upper":
            let text = try text(of: value)
            try budget.spend(text.count, each: JinjaBudget.propertyCost)
            return name == "lower" ? text.isLower : text.isUpper
        case "filter", "test": throw JinjaError.runtime("the test \(name) is not supported")
        default: return try Self.hasType(name, value)
        }
    }

    private static func hasType(_ name: String, _ value: JinjaValue) throws -> Bool {
        switch (name, value) {
        case ("boolean", .bool), ("true", .bool(true)), ("false", .bool(false)), ("integer", .integer),
            ("float", .float),
            ("number", .bool), ("number", .integer), ("number", .float), ("string", .string), ("mapping", .dictionary),
            ("callable", .function), ("callable", .loop), ("iterable", .string), ("iterable", .list),
            ("iterable", .dictionary), ("iterable", .range), ("iterable", .iterator), ("iterable", .undefined),
            ("iterable", .loop), ("sequence", .string), ("sequence", .dictionary), ("sequence", .range),
            ("sequence", .undefined):
            return true
        case ("sequence", .list(let list)): return list.isSequence
        case ("callable", .undefined): return true
        case ("escaped", .string(let text)): return text.isMarkup
        case ("boolean", _), ("true", _), ("false", _), ("integer", _), ("float", _), ("number", _), ("string", _),
            ("mapping", _), ("callable", _), ("iterable", _), ("sequence", _), ("escaped", _):
            return false
        default: throw JinjaError.runtime("the test \(name) is not supported")
        }
    }

    /// Whether two values are the same object.
    func isSame(_ left: JinjaValue, _ right: JinjaValue) -> Bool {
        switch (left, right) {
        case (.none, .none): true
        case (.bool(let a), .bool(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.string(let a), .string(let b)): a == b
        case (.list(let a), .list(let b)): a === b
        case (.dictionary(let a), .dictionary(let b)): a === b
        case (.namespace(let a), .namespace(let b)): a === b
        default: false
        }
    }
}
