extension JinjaRenderer {
    /// Applies a filter, by its name in Jinja.
    func apply(_ name: String, to value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        try budget.spend(JinjaBudget.evaluationCost)
        switch name {
        case "default", "d":
            let bound = try arguments.bound(to: ["default_value", "boolean"], of: name)
            let fallback = bound[0] ?? .text("")
            return value.isUndefined || (bound[1].orNone.isTrue && !value.isTrue) ? fallback : value
        case "attr":
            let attribute = try string(try arguments.bound(to: ["name"], of: name, required: 1)[0].orNone, for: name)
            if case .dictionary(let members) = value, members[attribute.text] != nil {
                let bare = JinjaValue.dictionary(JinjaDictionary())
                return try self.attribute(attribute.text, of: bare)
            }
            return try self.attribute(attribute.text, of: value)
        case "tojson": return .string(try json(of: value, arguments))
        case "list":
            _ = try arguments.bound(to: [], of: name)
            return try list(try elements(of: value))
        case "length", "count":
            _ = try arguments.bound(to: [], of: name)
            return .integer(try length(of: value))
        case "items":
            _ = try arguments.bound(to: [], of: name)
            if value.isUndefined { return .iterator(try JinjaIterator([])) }
            guard case .dictionary(let members) = value else {
                throw JinjaError.runtime("items needs a dictionary, not \(value.typeName)")
            }
            return .iterator(try JinjaIterator(try pairs(of: members)))
        case "abs", "int", "float", "round": return try applyNumberFilter(name, to: value, arguments)
        case "first", "last", "reverse", "sort", "unique", "batch", "slice", "dictsort", "sum", "min", "max", "join":
            return try applySequenceFilter(name, to: value, arguments)
        case "map", "select", "reject", "selectattr", "rejectattr", "groupby":
            return try applySelectionFilter(name, to: value, arguments)
        default: return try applyTextFilter(name, to: value, arguments)
        }
    }

    func length(of value: JinjaValue) throws -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text): return text.count
        case .list(let list): return list.elements.count
        case .dictionary(let members): return members.entries.count
        case .range(let range): return range.count
        case .loop(let loop): return loop.elements.count
        default: throw JinjaError.runtime("\(value.typeName) has no length")
        }
    }

    private func applyNumberFilter(
        _ name: String, to value: JinjaValue, _ arguments: JinjaArguments
    ) throws -> JinjaValue {
        switch name {
        case "abs":
            _ = try arguments.bound(to: [], of: name)
            if case .float(let number) = value { return .float(number.magnitude) }
            let number = try integer(value, for: name)
            return number < 0 ? try signed(.integer(number), true) : .integer(number)
        case "int":
            let bound = try arguments.bound(to: ["default", "base"], of: name)
            let base = try bound[1].map { try integer($0, for: name) } ?? 10
            return try Self.whole(value, base: base) ?? bound[0] ?? .integer(0)
        case "float":
            let fallback = try arguments.bound(to: ["default"], of: name)[0] ?? .float(0)
            if case .string(let text) = value { return text.pythonNumber.map { .float($0) } ?? fallback }
            if case .undefined(let words) = value { throw JinjaError.runtime(words) }
            return value.number.map { .float($0) } ?? fallback
        default:
            let bound = try arguments.bound(to: ["precision", "method"], of: name)
            let precision = try bound[0].map { try integer($0, for: name) } ?? 0
            let method = try bound[1].map { try string($0, for: name).text } ?? "common"
            return try round(value, precision, method)
        }
    }

    /// The whole number that Jinja's filter `int` finds in a value, or nil.
    private static func whole(_ value: JinjaValue, base: Int) throws -> JinjaValue? {
        if let number = value.integer { return .integer(number) }
        switch value {
        case .undefined(let words): throw JinjaError.runtime(words)
        case .float(let number):
            guard !number.isNaN else { return nil }
            guard let whole = Int(exactly: number.rounded(.towardZero)) else {
                throw JinjaError.runtime("a number is too large")
            }
            return .integer(whole)
        case .string(let text):
            if let number = try text.pythonInteger(base: base) { return .integer(number) }
            return try text.pythonNumber.flatMap { $0.isFinite ? try whole(.float($0), base: 10) : nil }
        default: return nil
        }
    }

    private func round(_ value: JinjaValue, _ precision: Int, _ method: String) throws -> JinjaValue {
        guard (-300...300).contains(precision) else { throw JinjaError.runtime("round takes at most 300 digits") }
        if case .undefined(let words) = value { throw JinjaError.runtime(words) }
        guard let number = value.number else { throw JinjaError.runtime("round needs a number, not \(value.typeName)") }
        switch method {
        case "common":
            if let whole = value.integer {
                guard precision < 0 else { return .integer(whole) }
                return .integer(try Self.rounded(whole, toTens: -precision))
            }
            guard number.isFinite, number != 0 else { return .float(number) }
            guard precision < 0 else { return .float(Double(number.decimal(digits: precision)) ?? number) }
            throw JinjaError.runtime("round with a negative precision is not supported for fractions")
        case "ceil", "floor":
            guard precision >= 0 else {
                throw JinjaError.runtime("round with a negative precision is not supported with '\(method)'")
            }
            guard precision <= 18 else { throw JinjaError.runtime("round takes at most 18 digits with '\(method)'") }
            let power = (0..<precision).reduce(1.0) { result, _ in result * 10 }
            let scaled = (number * power).rounded(method == "ceil" ? .up : .down)
            guard scaled.magnitude <= 0x1p53 else { throw JinjaError.runtime("a number is too large") }
            return .float((scaled == 0 ? 0 : scaled) / power)
        default: throw JinjaError.runtime("round is 'common', 'ceil' or 'floor', not '\(method)'")
        }
    }

    /// Rounds to a multiple of a power of ten, halves to the even multiple.
    private static func rounded(_ number: Int, toTens count: Int) throws -> Int {
        guard count <= 18 else { return 0 }
        let power = (0..<count).reduce(1) { result, _ in result * 10 }
        var quotient = number / power
        let twice = (number % power).magnitude * 2
        if twice > power || (twice == power && quotient % 2 != 0) { quotient += number < 0 ? -1 : 1 }
        let (result, overflow) = quotient.multipliedReportingOverflow(by: power)
        guard !overflow else { throw JinjaError.runtime("a number is too large") }
        return result
    }
}
