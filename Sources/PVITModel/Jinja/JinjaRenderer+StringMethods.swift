extension JinjaRenderer {
    /// Methods whose result is not text.
    private static let queryMethods: Set = ["startswith", "endswith", "find", "rfind", "index", "rindex", "count"]

    /// Calls a method of Python's strings.
    func callString(_ name: String, _ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaValue {
        let isQuery = Self.queryMethods.contains(name)
        guard !text.isMarkup || isQuery || arguments.positional.isEmpty && arguments.named.isEmpty else {
            throw JinjaError.runtime("the method \(name) of a text that is marked as safe is not supported")
        }
        try budget.spend(text.count, each: JinjaBudget.propertyCost)
        if let value = try changingCase(name, text) {
            _ = try arguments.bound(to: [], of: name)
            return value
        }
        switch name {
        case "format":
            var fields = JinjaFormatFields(positional: arguments.positional)
            for (name, value) in arguments.named { fields.named[name] = value }
            return .string(try format(text, fields))
        case "split", "rsplit": return try split(name, text, arguments)
        case "startswith", "endswith": return try matchesEnd(name, text, arguments)
        case "find", "rfind", "index", "rindex", "count": return try find(name, text, arguments)
        case "join":
            let texts = try elements(of: try arguments.bound(to: ["iterable"], of: name, required: 1)[0].orNone)
            return .string(try join(try texts.map { try string($0, for: name) }, text))
        case "center", "ljust", "rjust", "zfill", "expandtabs": return try pad(name, text, arguments)
        case "partition", "rpartition":
            let separator = try argument(0, of: name, arguments)
            guard separator.count > 0 else { throw JinjaError.runtime("\(name) needs a separator") }
            let index =
                name == "partition"
                ? try text.firstIndex(of: separator, from: 0, budget) : try text.lastIndex(of: separator, budget)
            guard let index else {
                let empty = JinjaValue.text("")
                return try list(
                    name == "partition" ? [.string(text), empty, empty] : [empty, empty, .string(text)], .tuple)
            }
            let (before, after) = (text.scalars[..<index], text.scalars[(index + separator.count)...])
            return try list([.string(JinjaString(before)), .string(separator), .string(JinjaString(after))], .tuple)
        case "strip", "lstrip", "rstrip":
            let argument = try arguments.bound(to: ["chars"], of: name)[0].orNone
            let characters = argument.isNone ? nil : try string(argument, for: name)
            return .string(text.stripped(characters, start: name != "rstrip", end: name != "lstrip"))
        case "removeprefix":
            let prefix = try argument(0, of: name, arguments)
            return .string(text.hasPrefix(prefix) ? JinjaString(text.scalars.dropFirst(prefix.count)) : text)
        case "removesuffix":
            let suffix = try argument(0, of: name, arguments)
            return .string(text.hasSuffix(suffix) ? JinjaString(text.scalars.dropLast(suffix.count)) : text)
        case "replace":
            let bound = try arguments.bound(to: ["old", "new", "count"], of: name, required: 2)
            let limit = try bound[2].map { try integer($0, for: name) } ?? -1
            return .string(
                try text.replacing(
                    try string(bound[0].orNone, for: name), with: try string(bound[1].orNone, for: name),
                    limit: limit < 0 ? .max : limit, budget))
        case "splitlines":
            let keeps = try arguments.bound(to: ["keepends"], of: name)[0].orNone.isTrue
            return try list(text.lines(keepingEnds: keeps).map { .string($0) })
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }

    /// Calls a method without arguments; nil for other methods.
    private func changingCase(_ name: String, _ text: JinjaString) throws -> JinjaValue? {
        func marked(_ result: JinjaString) -> JinjaValue {
            var result = result
            result.isMarkup = text.isMarkup
            return .string(result)
        }
        return switch name {
        case "upper": marked(text.uppercased)
        case "lower": marked(text.lowercased)
        case "casefold": marked(text.casefolded)
        case "capitalize": marked(text.capitalized)
        case "title": marked(text.titlecased)
        case "swapcase": marked(text.swappingCase)
        case "islower": .bool(text.isLower)
        case "isupper": .bool(text.isUpper)
        case "istitle": .bool(text.isTitle)
        case "isspace": .bool(text.consists { $0.isPythonSpace })
        case "isalpha": .bool(text.consists { $0.isPythonAlphabetic })
        case "isalnum": .bool(text.consists { $0.isPythonAlphanumeric })
        case "isdecimal": .bool(text.consists { $0.isPythonDecimal })
        case "isdigit": .bool(text.consists { $0.isPythonDigit })
        case "isnumeric": .bool(text.consists { $0.isPythonNumeric })
        case "isascii": .bool(text.scalars.allSatisfy { $0.scalar.isASCII })
        case "isprintable": .bool(text.scalars.allSatisfy { $0.scalar.isPythonPrintable })
        case "isidentifier":
            .bool(
                text.consists { $0 == "_" || $0.properties.isXIDContinue }
                    && text.scalars.prefix(1).allSatisfy { $0.scalar == "_" || $0.scalar.properties.isXIDStart })
        default: nil
        }
    }

    private func argument(_ index: Int, of name: String, _ arguments: JinjaArguments) throws -> JinjaString {
        guard arguments.named.isEmpty, arguments.positional.count == 1 else {
            throw JinjaError.runtime("\(name) needs one string")
        }
        return try string(arguments.positional[index], for: name)
    }

    /// Joins texts with a separator.
    func join(_ texts: [JinjaString], _ separator: JinjaString) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        for (index, text) in texts.enumerated() {
            if index > 0 { try builder.append(separator) }
            try builder.append(text)
        }
        return builder.string
    }

    private func split(_ name: String, _ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["sep", "maxsplit"], of: name)
        let count = try bound[1].map { try integer($0, for: name) } ?? -1
        let limit = count < 0 ? Int.max : count
        let isReversed = name == "rsplit"
        func reversed(_ text: JinjaString) -> JinjaString { isReversed ? JinjaString(text.scalars.reversed()) : text }
        let fields: [JinjaString]
        if bound[0].orNone.isNone {
            fields = reversed(text).words(limit: limit)
        } else {
            let separator = try string(bound[0].orNone, for: name)
            guard separator.count > 0 else { throw JinjaError.runtime("\(name) needs a separator") }
            fields = try reversed(text).split(reversed(separator), limit: limit, budget)
        }
        return try list(
            (isReversed ? fields.reversed() : fields).map { field in
                var field = reversed(field)
                field.isMarkup = text.isMarkup
                return .string(field)
            })
    }

    /// The slice of a text between the optional second and third argument.
    private func searchedSlice(_ text: JinjaString, _ bound: [JinjaValue?]) throws -> (
        ArraySlice<PromptScalar>, start: Int
    )? {
        func index(_ value: JinjaValue?, _ fallback: Int) throws -> Int {
            guard let value, !value.isNone else { return fallback }
            let number = try integer(value, for: "a slice of a string")
            return number < 0 ? max(number &+ text.count, 0) : number
        }
        let (start, end) = (try index(bound[1], 0), min(try index(bound[2], text.count), text.count))
        guard start <= text.count, start <= end else { return nil }
        return (text.scalars[start..<end], start)
    }

    private func matchesEnd(_ name: String, _ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["part", "start", "end"], of: name, required: 1)
        var options = [bound[0].orNone]
        if case .list(let list)? = bound[0], list.kind == .tuple { options = list.elements }
        let affixes = try options.map { try string($0, for: name) }
        guard let (slice, _) = try searchedSlice(text, bound) else { return .bool(false) }
        let rest = JinjaString(slice)
        return .bool(affixes.contains { name == "startswith" ? rest.hasPrefix($0) : rest.hasSuffix($0) })
    }

    private func find(_ name: String, _ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["part", "start", "end"], of: name, required: 1)
        let sought = try string(bound[0].orNone, for: name)
        let searched = try searchedSlice(text, bound)
        if name == "count" {
            return .integer(try searched.map { try JinjaString($0.0).occurrences(of: sought, budget).count } ?? 0)
        }
        let found = try searched.flatMap { slice, start in
            let rest = JinjaString(slice)
            let index =
                name.hasPrefix("r")
                ? try rest.lastIndex(of: sought, budget) : try rest.firstIndex(of: sought, from: 0, budget)
            return index.map { $0 + start }
        }
        guard found != nil || name.hasSuffix("find") else { throw JinjaError.runtime("\(name) finds nothing") }
        return .integer(found ?? -1)
    }

    private func pad(_ name: String, _ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(
            to: name == "expandtabs" ? ["tabsize"] : ["width", "fill"], of: name, required: name == "expandtabs" ? 0 : 1
        )
        let width = try bound[0].map { try integer($0, for: name) } ?? 8
        if name == "expandtabs" { return .string(try expandTabs(text, width)) }
        let fill = try bound[1].map { try string($0, for: name) } ?? (name == "zfill" ? "0" : " ")
        guard fill.count == 1, name != "zfill" || bound[1].isAbsent else {
            throw JinjaError.runtime("\(name) fills with one character")
        }
        let missing = width <= text.count ? 0 : width - text.count
        var builder = JinjaBuilder(budget)
        switch name {
        case "ljust":
            try builder.append(text)
            try builder.append(fill.scalars, times: missing)
        case "center":
            let left = missing / 2 + (missing & width & 1)
            try builder.append(fill.scalars, times: left)
            try builder.append(text)
            try builder.append(fill.scalars, times: missing - left)
        default:
            let hasSign = name == "zfill" && (text.scalars.first?.scalar == "-" || text.scalars.first?.scalar == "+")
            try builder.append(text.scalars.prefix(hasSign ? 1 : 0))
            try builder.append(fill.scalars, times: missing)
            try builder.append(text.scalars.dropFirst(hasSign ? 1 : 0))
        }
        return .string(builder.string)
    }

    private func expandTabs(_ text: JinjaString, _ width: Int) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        var column = 0
        for scalar in text.scalars {
            if scalar.scalar == "\t" {
                guard width > 0 else { continue }
                let count = width - column % width
                try builder.append(scalar.replaced(by: [" "]), times: count)
                column += count
            } else {
                column = scalar.scalar == "\n" || scalar.scalar == "\r" ? 0 : column + 1
                try builder.append(CollectionOfOne(scalar))
            }
        }
        return builder.string
    }
}
