extension JinjaRenderer {
    private static let stringMethods: Set = [
        "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map",
        "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
        "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "maketrans", "partition",
        "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
        "split", "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
    ]
    private static let dictionaryMethods: Set = ["copy", "fromkeys", "get", "items", "keys", "values"]
    private static let listMethods: Set = ["copy", "count", "index"]
    /// Methods that change a list or a dictionary. The sandbox of `transformers` forbids them.
    private static let changingMethods: Set = [
        "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
    ]
    private static let numberAttributes: Set = [
        "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "fromhex", "hex",
        "imag", "is_integer", "numerator", "real", "to_bytes",
    ]

    /// `value.name`: a Python attribute, else the element of this name.
    func attribute(_ name: String, of value: JinjaValue) throws -> JinjaValue {
        if let member = try ownAttribute(name, of: value) { return member }
        if case .dictionary(let members) = value, let member = members[name] { return member }
        return Self.absent(name, value)
    }

    /// `value[key]`: an element, else the attribute of this name.
    func item(_ value: JinjaValue, _ key: JinjaValue) throws -> JinjaValue {
        if case .undefined(let words) = value { throw JinjaError.runtime(words) }
        if let element = try element(value, key) { return element }
        guard case .string(let name) = key else { return Self.absent("an element of this index", value) }
        return try ownAttribute(name.text, of: value) ?? Self.absent(name.text, value)
    }

    private static func absent(_ name: String, _ value: JinjaValue) -> JinjaValue {
        .undefined("\(value.typeName) has no '\(name)'")
    }

    private func element(_ value: JinjaValue, _ key: JinjaValue) throws -> JinjaValue? {
        if case .dictionary(let members) = value {
            switch key {
            case .list(let list) where !(list.kind == .tuple): return nil
            case .dictionary: return nil
            default: return members[try self.key(key)]
            }
        }
        guard let index = key.integer else { return nil }
        func position(_ count: Int) -> Int? {
            let position = index < 0 ? index &+ count : index
            return position >= 0 && position < count ? position : nil
        }
        switch value {
        case .list(let list) where list.isSequence: return position(list.elements.count).map { list.elements[$0] }
        case .string(let text):
            return position(text.count).map { .string(JinjaString(CollectionOfOne(text.scalars[$0]))) }
        case .range(let range): return position(range.count).map { .integer(range.start + $0 * range.step) }
        default: return nil
        }
    }

    private func ownAttribute(_ name: String, of value: JinjaValue) throws -> JinjaValue? {
        let method = JinjaValue.function(.method(value, name))
        switch value {
        case .undefined(let words): throw JinjaError.runtime(words)
        case .string: return Self.stringMethods.contains(name) ? method : nil
        case .dictionary:
            if Self.changingMethods.contains(name),
                !["append", "extend", "insert", "remove", "reverse", "sort"].contains(name)
            {
                return .undefined("templates cannot change a dictionary by '\(name)'")
            }
            return Self.dictionaryMethods.contains(name) ? method : nil
        case .list(let list):
            switch list.kind {
            case .list:
                if Self.changingMethods.contains(name), !["popitem", "setdefault", "update"].contains(name) {
                    return .undefined("templates cannot change a list by '\(name)'")
                }
                return Self.listMethods.contains(name) ? method : nil
            case .group where name == "grouper": return list.elements[0]
            case .group where name == "list": return list.elements[1]
            case .tuple, .group: return name != "copy" && Self.listMethods.contains(name) ? method : nil
            case .view: return nil
            }
        case .namespace(let namespace): return namespace.members[name]
        case .loop(let loop): return loop.member(name)
        case .function(.macro(let macro)) where name == "name": return .text(macro.definition.name)
        case .range(let range):
            return switch name {
            case "start": .integer(range.start)
            case "stop": .integer(range.end)
            case "step": .integer(range.step)
            case "count", "index": method
            default: nil
            }
        case .bool, .integer, .float:
            guard !Self.numberAttributes.contains(name) else {
                throw JinjaError.runtime("the attribute '\(name)' of a number is not supported")
            }
            return nil
        default: return nil
        }
    }

    /// Python's slice.
    func slice(
        _ value: JinjaValue, _ from: JinjaValue?, _ to: JinjaValue?, _ step: JinjaValue?
    ) throws -> JinjaValue {
        switch value {
        case .list(let list) where list.isSequence:
            let indices = try Self.indices(list.elements.count, from, to, step)
            return try self.list(indices.map { list.elements[$0] }, list.kind == .list ? .list : .tuple)
        case .string(let text):
            let indices = try Self.indices(text.count, from, to, step)
            try budget.spend(indices.count)
            var slice = JinjaString(indices.map { text.scalars[$0] })
            slice.isMarkup = text.isMarkup
            return .string(slice)
        case .range(let range):
            let bounds = try Self.bounds(range.count, from, to, step)
            func scaled(_ number: Int, from start: Int) throws -> Int {
                let (product, overflow) = number.multipliedReportingOverflow(by: range.step)
                let (sum, isTooLarge) = start.addingReportingOverflow(product)
                guard !overflow, !isTooLarge else { throw JinjaError.runtime("a number is too large") }
                return sum
            }
            return .range(
                JinjaRange(
                    start: try scaled(bounds.from, from: range.start), end: try scaled(bounds.to, from: range.start),
                    step: try scaled(bounds.step, from: 0)))
        case .undefined(let words): throw JinjaError.runtime(words)
        default: throw JinjaError.runtime("a slice cannot be taken of \(value.typeName)")
        }
    }

    private static func bound(_ value: JinjaValue?) throws -> Int? {
        guard let value, !value.isNone else { return nil }
        guard let number = value.integer else { throw JinjaError.runtime("a slice needs whole numbers") }
        return number
    }

    /// The indices that a slice visits.
    private static func indices(
        _ count: Int, _ from: JinjaValue?, _ to: JinjaValue?, _ step: JinjaValue?
    ) throws -> [Int] {
        let bounds = try bounds(count, from, to, step)
        // Clamp the step, so that adding it does not overflow. A longer step visits one element as well.
        let step = min(max(bounds.step, -count - 1), count + 1)
        return Array(stride(from: bounds.from, to: bounds.to, by: step))
    }

    private static func bounds(
        _ count: Int, _ from: JinjaValue?, _ to: JinjaValue?, _ step: JinjaValue?
    ) throws -> (from: Int, to: Int, step: Int) {
        let step = try bound(step) ?? 1
        guard step != 0 else { throw JinjaError.runtime("a slice has a step of 0") }
        let (lowest, highest) = step > 0 ? (0, count) : (-1, count - 1)
        func limited(_ value: Int?, _ fallback: Int) -> Int {
            guard let value else { return fallback }
            return min(max(value < 0 ? value &+ count : value, lowest), highest)
        }
        return (
            limited(try bound(from), step > 0 ? lowest : highest), limited(try bound(to), step > 0 ? highest : lowest),
            step
        )
    }
}
