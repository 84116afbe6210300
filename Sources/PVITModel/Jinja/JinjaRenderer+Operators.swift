#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension JinjaRenderer {
    private static let tooLarge = JinjaError.runtime("a number is too large")

    func calculate(_ symbol: JinjaOperator, _ left: JinjaValue, _ right: JinjaValue) throws -> JinjaValue {
        if case .string(let pattern) = left, symbol == .remainder {
            return .string(try format(pattern, percent: right))
        }
        switch (symbol, left, right) {
        case (.add, .string(let a), .string(let b)): return .string(try join(a, b))
        case (.add, .list(let a), .list(let b)) where a.kind == b.kind && a.isSequence:
            return try list(a.elements + b.elements, a.kind == .list ? .list : .tuple)
        case (.multiply, .string(let text), _) where right.integer != nil:
            return .string(try text.repeated(right.integer ?? 0, budget))
        case (.multiply, _, .string(let text)) where left.integer != nil:
            return .string(try text.repeated(left.integer ?? 0, budget))
        case (.multiply, .list(let elements), _) where right.integer != nil && elements.isSequence:
            return try repeated(elements, right.integer ?? 0)
        case (.multiply, _, .list(let elements)) where left.integer != nil && elements.isSequence:
            return try repeated(elements, left.integer ?? 0)
        default: break
        }
        if let a = left.integer, let b = right.integer { return try Self.calculate(symbol, a, b) }
        guard let a = left.number, let b = right.number else {
            throw unsuited(symbol.rawValue, left, right)
        }
        return .float(try Self.calculate(symbol, a, b))
    }

    private func unsuited(_ symbol: String, _ left: JinjaValue, _ right: JinjaValue) -> any Error {
        for value in [left, right] { if case .undefined(let words) = value { return JinjaError.runtime(words) } }
        return JinjaError.runtime("'\(symbol)' cannot be used with \(left.typeName) and \(right.typeName)")
    }

    private func join(_ a: JinjaString, _ b: JinjaString) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        let isMarkup = a.isMarkup || b.isMarkup
        try builder.append(isMarkup ? escaped(a) : a)
        try builder.append(isMarkup ? escaped(b) : b)
        var result = builder.string
        result.isMarkup = isMarkup
        return result
    }

    private func repeated(_ elements: JinjaList, _ count: Int) throws -> JinjaValue {
        try budget.spend(elements.elements.count, each: max(count, 0))
        let result = Array(repeatElement(elements.elements, count: max(count, 0)).joined())
        return try list(result, elements.kind == .list ? .list : .tuple)
    }

    /// Python's arithmetic: division and remainder round down.
    private static func calculate(_ symbol: JinjaOperator, _ a: Int, _ b: Int) throws -> JinjaValue {
        let (result, overflow): (Int, Bool)
        switch symbol {
        case .add: (result, overflow) = a.addingReportingOverflow(b)
        case .subtract: (result, overflow) = a.subtractingReportingOverflow(b)
        case .multiply: (result, overflow) = a.multipliedReportingOverflow(by: b)
        case .floorDivide, .remainder:
            guard b != 0 else { throw JinjaError.runtime("division by zero") }
            guard a != .min || b != -1 else { throw tooLarge }
            let remainder = a % b
            let rounds = remainder != 0 && (remainder < 0) != (b < 0)
            return .integer(symbol == .remainder ? (rounds ? remainder + b : remainder) : a / b - (rounds ? 1 : 0))
        case .divide:
            // Larger integers would be rounded twice.
            guard max(a.magnitude, b.magnitude) <= 1 << 53 else { throw tooLarge }
            return .float(try calculate(symbol, Double(a), Double(b)))
        case .power:
            guard b >= 0 else { return .float(try calculate(symbol, Double(a), Double(b))) }
            return .integer(try power(a, b))
        }
        guard !overflow else { throw tooLarge }
        return .integer(result)
    }

    private static func power(_ base: Int, _ exponent: Int) throws -> Int {
        if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
        if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
        guard exponent < 64 else { throw tooLarge }
        var result = 1
        for _ in 0..<exponent {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            guard !overflow else { throw tooLarge }
            result = product
        }
        return result
    }

    private static func calculate(_ symbol: JinjaOperator, _ a: Double, _ b: Double) throws -> Double {
        switch symbol {
        case .add: return a + b
        case .subtract: return a - b
        case .multiply: return a * b
        case .power:
            guard a != 0 || b >= 0 else { throw JinjaError.runtime("division by zero") }
            guard a >= 0 || b == b.rounded() || !a.isFinite || !b.isFinite else {
                throw JinjaError.runtime("a negative number has no fractional power")
            }
            let result = pow(a, b)
            guard result.isFinite || !a.isFinite || !b.isFinite else { throw tooLarge }
            return result
        case .divide, .floorDivide, .remainder:
            guard b != 0 else { throw JinjaError.runtime("division by zero") }
            if symbol == .divide { return a / b }
            var remainder = fmod(a, b)
            var quotient = (a - remainder) / b
            if remainder != 0 {
                if (b < 0) != (remainder < 0) {
                    remainder += b
                    quotient -= 1
                }
            } else {
                remainder = Double(signOf: b, magnitudeOf: 0)
            }
            if symbol == .remainder { return remainder }
            guard quotient != 0 else { return Double(signOf: a / b, magnitudeOf: 0) }
            let floor = quotient.rounded(.down)
            return quotient - floor > 0.5 ? floor + 1 : floor
        }
    }

    func signed(_ value: JinjaValue, _ isNegative: Bool) throws -> JinjaValue {
        if case .float(let number) = value { return .float(isNegative ? -number : number) }
        guard let number = value.integer else {
            if case .undefined(let words) = value { throw JinjaError.runtime(words) }
            throw JinjaError.runtime("a sign cannot be used with \(value.typeName)")
        }
        return isNegative ? try Self.calculate(.subtract, 0, number) : .integer(number)
    }

    func holds(_ comparison: JinjaComparison, _ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
        switch comparison {
        case .equal: return try equal(left, right)
        case .notEqual: return try !equal(left, right)
        case .isIn: return try contains(right, left)
        case .isNotIn: return try !contains(right, left)
        case .less: return try order(left, right, "<") { $0 < 0 }
        case .lessOrEqual: return try order(left, right, "<=") { $0 <= 0 }
        case .greater: return try order(left, right, ">") { $0 > 0 }
        case .greaterOrEqual: return try order(left, right, ">=") { $0 >= 0 }
        }
    }

    private func order(
        _ left: JinjaValue, _ right: JinjaValue, _ symbol: String, _ holds: (Int) -> Bool
    ) throws -> Bool {
        guard let order = try compare(left, right, symbol) else { return false }
        return holds(order)
    }

    /// Compares numbers: negative, 0 or positive if `left` is less, equal or greater. nil unless both are numbers.
    func compare(_ left: JinjaValue, _ right: JinjaValue, _ symbol: String = "<") throws -> Int? {
        try budget.spend(JinjaBudget.evaluationCost)
        switch (left, right) {
        case (.string(let a), .string(let b)): return try compare(a, b)
        case (.list(let a), .list(let b)) where a.kind == b.kind && a.isSequence:
            for (x, y) in zip(a.elements, b.elements) where try !equal(x, y) {
                return try nested { try compare(x, y, symbol) }
            }
            return a.elements.count - b.elements.count
        default: break
        }
        if let a = left.integer, let b = right.integer { return a < b ? -1 : a > b ? 1 : 0 }
        if let a = left.integer, case .float(let b) = right { return Self.compare(a, b) }
        if case .float(let a) = left, let b = right.integer { return Self.compare(b, a).map { -$0 } }
        if case .float(let a) = left, case .float(let b) = right {
            return a.isNaN || b.isNaN ? nil : a < b ? -1 : a > b ? 1 : 0
        }
        throw unsuited(symbol, left, right)
    }

    private static func compare(_ a: Int, _ b: Double) -> Int? {
        if b.isNaN { return nil }
        if b >= 0x1p63 { return -1 }
        if b < -0x1p63 { return 1 }
        let whole = Int(b.rounded(.towardZero))
        if a != whole { return a < whole ? -1 : 1 }
        let fraction = b - b.rounded(.towardZero)
        return fraction > 0 ? -1 : fraction < 0 ? 1 : 0
    }

    private func compare(_ a: JinjaString, _ b: JinjaString) throws -> Int {
        let common = zip(a.scalars, b.scalars).prefix { $0 == $1 }.count
        try budget.spend(common)
        guard common < a.count, common < b.count else { return a.count - b.count }
        return a.scalars[common].value < b.scalars[common].value ? -1 : 1
    }

    /// Python's `==`.
    func equal(_ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
        try budget.spend(JinjaBudget.evaluationCost)
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)):
            guard a.count == b.count else { return false }
            try budget.spend(a.count)
            return a == b
        case (.list(let a), .list(let b)):
            guard a.kind == b.kind, a.elements.count == b.elements.count else { return false }
            return try a === b || nested { try equal(a.elements, b.elements) }
        case (.dictionary(let a), .dictionary(let b)):
            guard a.entries.count == b.entries.count else { return false }
            return try a === b
                || nested {
                    try a.entries.allSatisfy { entry in
                        guard let value = b[try key(entry.key)] else { return false }
                        return try equal(entry.value, value)
                    }
                }
        case (.range(let a), .range(let b)):
            return a.count == b.count
                && (a.count == 0 || a.start == b.start && (a.count == 1 || a.step == b.step))
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.iterator(let a), .iterator(let b)): return a === b
        case (.loop(let a), .loop(let b)): return a === b
        case (.function(.macro(let a)), .function(.macro(let b))): return a === b
        case (.function(.global(let a)), .function(.global(let b))): return a == b
        case (.function(.method(let a, let first)), .function(.method(let b, let second))):
            return first == second && isSame(a, b)
        default: break
        }
        if let a = left.integer, let b = right.integer { return a == b }
        guard left.number != nil, right.number != nil else { return false }
        return try compare(left, right) == 0
    }

    func equal(_ left: [JinjaValue], _ right: [JinjaValue]) throws -> Bool {
        try left.count == right.count && zip(left, right).allSatisfy { try equal($0, $1) }
    }

    func contains(_ container: JinjaValue, _ value: JinjaValue) throws -> Bool {
        switch (container, value) {
        case (.string(let text), .string(let other)):
            return try text.firstIndex(of: other, from: 0, budget) != nil
        case (.string, _): throw unsuited("in", value, container)
        case (.dictionary(let members), _): return members[try key(value)] != nil
        case (.list, _), (.range, _), (.iterator, _), (.undefined, _):
            if case .list(let list) = container, case .view("dict_keys") = list.kind { _ = try key(value) }
            return try elements(of: container).contains { try equal($0, value) }
        default: throw unsuited("in", value, container)
        }
    }
}
