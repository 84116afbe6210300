import Tensors

/// The functions, methods, filters and tests that chat templates use.
enum JinjaFunctions {
    /// Functions that are there without being defined.
    static let names: Set = ["raise_exception", "namespace", "range", "dict"]
    static let dictionaryMethods: Set = ["items", "keys", "values", "get"]
    static let stringMethods: Set = [
        "strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "startswith", "endswith", "split",
        "replace",
    ]
    private static let maximumRange = 100_000

    static func call(
        _ name: String, of base: JinjaValue?, _ arguments: [JinjaValue], _ named: [String: JinjaValue]
    ) throws -> JinjaValue {
        switch (name, base) {
        case ("raise_exception", nil):
            throw JinjaError.runtime(try arguments.first?.text() ?? "it raises an exception")
        case ("namespace", nil): return .namespace(JinjaNamespace(named))
        case ("dict", nil): return .dictionary(named)
        case ("range", nil):
            let bounds = arguments.compactMap(\.number)
            guard bounds.count == arguments.count, (1...2).contains(bounds.count) else {
                throw JinjaError.runtime("range needs one or two numbers")
            }
            let (start, end) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
            let (count, overflow) = end.subtractingReportingOverflow(start)
            guard !overflow, count <= maximumRange else { throw JinjaError.runtime("a range is too long") }
            return .list(count > 0 ? (start..<end).map { .integer($0) } : [])
        case (_, .dictionary(let members)?): return try callDictionary(name, members, arguments)
        case (_, .string(let text)?): return try callString(name, text, arguments)
        default: throw JinjaError.runtime("the function \(name) is not supported")
        }
    }

    private static func callDictionary(
        _ name: String, _ members: [String: JinjaValue], _ arguments: [JinjaValue]
    ) throws -> JinjaValue {
        let keys = members.keys.sorted()
        switch name {
        case "get": return try members[arguments.first?.text() ?? ""] ?? (arguments.count > 1 ? arguments[1] : .none)
        case "keys": return .list(keys.map { .string($0) })
        case "values": return .list(keys.compactMap { members[$0] })
        case "items": return .list(keys.map { .list([.string($0), members[$0] ?? .undefined]) })
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }

    private static func callString(_ name: String, _ text: String, _ arguments: [JinjaValue]) throws -> JinjaValue {
        func argument(_ index: Int) throws -> String {
            guard arguments.indices.contains(index), case .string(let value) = arguments[index] else {
                throw JinjaError.runtime("\(name) needs a string")
            }
            return value
        }
        switch name {
        case "strip", "lstrip", "rstrip":
            let characters = arguments.isEmpty ? nil : try argument(0)
            return .string(strip(text, characters, start: name != "rstrip", end: name != "lstrip"))
        case "upper": return .string(text.uppercased())
        case "lower": return .string(text.lowercased())
        case "capitalize": return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
        case "title": return .string(title(text))
        case "startswith": return .bool(text.hasPrefix(try argument(0)))
        case "endswith": return .bool(text.hasSuffix(try argument(0)))
        case "replace": return .string(try replace(text, try argument(0), by: try argument(1)))
        case "split":
            guard !arguments.isEmpty else {
                return .list(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) })
            }
            return .list(try split(text, by: argument(0)).map { .string($0) })
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }

    static func filter(
        _ name: String, _ value: JinjaValue, _ arguments: [JinjaValue], _ named: [String: JinjaValue]
    ) throws -> JinjaValue {
        switch name {
        case "trim": return .string(strip(try value.text(), nil, start: true, end: true))
        case "upper", "lower", "capitalize", "title", "replace":
            return try callString(name, try value.text(), arguments)
        case "string": return .string(try value.text())
        case "safe": return value
        case "length", "count":
            if case .string(let text) = value { return .integer(text.unicodeScalars.count) }
            return .integer(try elements(of: value).count)
        case "first": return try elements(of: value).first ?? .undefined
        case "last": return try elements(of: value).last ?? .undefined
        case "list": return .list(try elements(of: value))
        case "join":
            let separator = try arguments.first?.text() ?? ""
            return .string(try elements(of: value).map { try $0.text() }.joined(separator: separator))
        case "default", "d":
            if case .undefined = value { return arguments.first ?? .string("") }
            let replacesFalse = (arguments.count > 1 ? arguments[1] : named["boolean"] ?? .bool(false)).isTrue
            return replacesFalse && !value.isTrue ? arguments.first ?? .string("") : value
        default: throw JinjaError.runtime("the filter \(name) is not supported")
        }
    }

    static func test(_ name: String, _ value: JinjaValue, _ arguments: [JinjaValue]) throws -> Bool {
        switch (name, value) {
        case ("defined", .undefined): return false
        case ("defined", _): return true
        case ("undefined", .undefined): return true
        case ("none", .none), ("string", .string), ("mapping", .dictionary), ("boolean", .bool), ("true", .bool(true)),
            ("false", .bool(false)), ("number", .integer), ("number", .bool), ("integer", .integer),
            ("iterable", .list), ("iterable", .string), ("iterable", .dictionary), ("iterable", .undefined),
            ("sequence", .list), ("sequence", .string), ("sequence", .dictionary), ("sequence", .undefined),
            ("callable", .function):
            return true
        case ("undefined", _), ("none", _), ("string", _), ("mapping", _), ("boolean", _), ("true", _), ("false", _),
            ("number", _), ("integer", _), ("iterable", _), ("sequence", _), ("callable", _):
            return false
        case ("equalto", _), ("eq", _): return JinjaValue.equal(value, arguments.first ?? .undefined)
        case ("in", _): return try contains(arguments.first ?? .undefined, value)
        case ("odd", .integer(let number)): return number % 2 != 0
        case ("even", .integer(let number)): return number % 2 == 0
        case ("divisibleby", .integer(let number)):
            guard let divisor = arguments.first?.number, divisor != 0, divisor != -1 else {
                throw JinjaError.runtime("divisibleby needs a number")
            }
            return number % divisor == 0
        default: throw JinjaError.runtime("the test \(name) is not supported")
        }
    }

    /// What a loop over the value visits.
    static func elements(of value: JinjaValue) throws -> [JinjaValue] {
        switch value {
        case .list(let elements): return elements
        case .dictionary(let members): return members.keys.sorted().map { .string($0) }
        case .string(let text): return text.unicodeScalars.map { .string(String($0)) }
        case .undefined: return []
        default: throw JinjaError.runtime("something that is no list is looped over")
        }
    }

    static func contains(_ container: JinjaValue, _ value: JinjaValue) throws -> Bool {
        switch (container, value) {
        case (.string(let text), .string(let part)): return split(text, by: part, limit: 1).count > 1 || part.isEmpty
        case (.list(let elements), _): return elements.contains { JinjaValue.equal($0, value) }
        case (.dictionary(let members), .string(let key)): return members[key] != nil
        case (.dictionary, _): return false
        case (.undefined, _): return false
        default: throw JinjaError.runtime("'in' of something that is no list")
        }
    }

    /// Python's `strip`: white space, or any of `characters`.
    private static func strip(_ text: String, _ characters: String?, start: Bool, end: Bool) -> String {
        let set = characters.map { Set($0.unicodeScalars) }
        func goes(_ scalar: Unicode.Scalar) -> Bool {
            // Python counts the four separator control characters as white space, Unicode does not.
            set?.contains(scalar) ?? (scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value))
        }
        var scalars = text.unicodeScalars[...]
        if start { scalars = scalars.drop(while: goes) }
        while end, let last = scalars.last, goes(last) { scalars.removeLast() }
        return String(scalars)
    }

    private static func title(_ text: String) -> String {
        var result = ""
        var startsWord = true
        for character in text {
            result += startsWord ? character.uppercased() : character.lowercased()
            startsWord = !character.isLetter
        }
        return result
    }

    /// The parts of a text between occurrences of a separator, compared by code point.
    private static func split(_ text: String, by separator: String, limit: Int = .max) -> [String] {
        let (source, pattern) = (Array(text.utf8), Array(separator.utf8))
        guard !pattern.isEmpty else { return [text] }
        var parts: [String] = []
        var (start, place) = (0, 0)
        while place + pattern.count <= source.count, parts.count < limit {
            if source[place] == pattern[0], source[place..<place + pattern.count].elementsEqual(pattern) {
                parts.append(String(decoding: source[start..<place], as: UTF8.self))
                place += pattern.count
                start = place
            } else {
                place += 1
            }
        }
        parts.append(String(decoding: source[start...], as: UTF8.self))
        return parts
    }

    private static func replace(_ text: String, _ old: String, by new: String) throws -> String {
        guard !old.isEmpty else { throw JinjaError.runtime("replace needs something to replace") }
        return split(text, by: old).joined(separator: new)
    }
}
