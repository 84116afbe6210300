extension JinjaRenderer {
    func applyTextFilter(
        _ name: String, to value: JinjaValue, _ arguments: JinjaArguments
    ) throws -> JinjaValue {
        switch name {
        case "truncate": return try truncate(value, arguments)
        case "urlencode":
            _ = try arguments.bound(to: [], of: name)
            return .string(try urlEncoded(value))
        default: break
        }
        let text = try text(of: value)
        try budget.spend(text.count)
        switch name {
        case "upper", "lower", "capitalize", "string", "safe", "escape", "e", "forceescape", "wordcount", "title":
            _ = try arguments.bound(to: [], of: name)
            return try changed(text, by: name)
        case "trim":
            let argument = try arguments.bound(to: ["chars"], of: name)[0].orNone
            var stripped = text.stripped(argument.isNone ? nil : try string(argument, for: name))
            stripped.isMarkup = text.isMarkup
            return .string(stripped)
        case "replace":
            let bound = try arguments.bound(to: ["old", "new", "count"], of: name, required: 2)
            let count = try bound[2].flatMap { $0.isNone ? nil : try integer($0, for: name) } ?? -1
            return .string(
                try text.replacing(
                    try self.text(of: bound[0].orNone), with: try self.text(of: bound[1].orNone),
                    limit: count < 0 ? .max : count, budget))
        case "format":
            guard arguments.positional.isEmpty || arguments.named.isEmpty else {
                throw JinjaError.runtime("format takes either values or named values")
            }
            let values: JinjaValue =
                arguments.named.isEmpty
                ? try list(arguments.positional, .tuple)
                : .dictionary(try JinjaDictionary(arguments.named.map { (.text($0.name), $0.value) }))
            return .string(try format(text, percent: values))
        case "indent": return .string(try indent(try string(value, for: name), arguments))
        case "center":
            let width = try arguments.bound(to: ["width"], of: name)[0] ?? .integer(80)
            return try callString("center", text, JinjaArguments(positional: [width]))
        default: throw JinjaError.runtime("the filter \(name) is not supported")
        }
    }

    private func changed(_ text: JinjaString, by name: String) throws -> JinjaValue {
        var text = text
        switch name {
        case "upper": return try callString("upper", text, JinjaArguments())
        case "lower": return try callString("lower", text, JinjaArguments())
        case "capitalize": return try callString("capitalize", text, JinjaArguments())
        case "safe":
            text.isMarkup = true
            return .string(text)
        case "escape", "e": return .string(try escaped(text))
        case "forceescape":
            text.isMarkup = false
            return .string(try escaped(text))
        case "wordcount":
            func isWord(_ scalar: PromptScalar) -> Bool { scalar.scalar == "_" || scalar.scalar.isPythonAlphanumeric }
            return .integer(text.scalars.split { !isWord($0) }.count)
        case "title": return .string(titled(text))
        default: return .string(text)
        }
    }

    /// Jinja's filter `title`: words begin after white space, hyphens and opening brackets.
    private func titled(_ text: JinjaString) -> JinjaString {
        func separates(_ scalar: PromptScalar) -> Bool {
            scalar.scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar.scalar)
        }
        var result: [PromptScalar] = []
        var rest = text.scalars[...]
        while !rest.isEmpty {
            result += rest.prefix(while: separates)
            rest = rest.drop(while: separates)
            let word = JinjaString(rest.prefix { !separates($0) })
            result += JinjaString(word.scalars.prefix(1)).uppercased.scalars
            result += JinjaString(word.scalars.dropFirst()).lowercased.scalars
            rest = rest.dropFirst(word.count)
        }
        return JinjaString(result)
    }

    private func indent(_ text: JinjaString, _ arguments: JinjaArguments) throws -> JinjaString {
        let bound = try arguments.bound(to: ["width", "first", "blank"], of: "indent")
        let text = try unmarked(text, for: "indent")
        let margin: JinjaString
        if case .string(let given)? = bound[0] {
            margin = given
        } else {
            margin = try JinjaString(" ").repeated(try bound[0].map { try integer($0, for: "indent") } ?? 4, budget)
        }
        let lines = JinjaString(text.scalars + [PromptScalar("\n")]).lines()
        let indentsBlank = bound[2].orNone.isTrue
        var builder = JinjaBuilder(budget)
        for (index, line) in lines.enumerated() {
            if index > 0 { try builder.append("\n") }
            let isIndented = index == 0 ? bound[1].orNone.isTrue : indentsBlank || line.count > 0
            if isIndented { try builder.append(margin) }
            try builder.append(line)
        }
        return builder.string
    }

    private func truncate(_ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["length", "killwords", "end", "leeway"], of: "truncate")
        func number(_ index: Int, _ fallback: Int) throws -> Int {
            try bound[index].flatMap { $0.isNone ? nil : try integer($0, for: "truncate") } ?? fallback
        }
        let length = try number(0, 255)
        let leeway = try number(3, 5)
        let end = try bound[2].map { try string($0, for: "truncate") } ?? "..."
        guard length >= end.count, leeway >= 0 else {
            throw JinjaError.runtime("truncate needs a length that fits its end")
        }
        let count = try self.length(of: value)
        guard count > length, count - length > leeway else { return value }
        let text = try unmarked(try string(value, for: "truncate"), for: "truncate")
        var kept = text.scalars.prefix(length - end.count)
        if !bound[1].orNone.isTrue, let space = kept.lastIndex(where: { $0.scalar == " " }) { kept = kept[..<space] }
        return .string(JinjaString(Array(kept) + end.scalars))
    }

    /// Checks that a text is not marked as safe. In Jinja, working on such a text escapes what is added, which is not
    /// supported.
    private func unmarked(_ text: JinjaString, for name: String) throws -> JinjaString {
        guard !text.isMarkup else {
            throw JinjaError.runtime("\(name) of a text that is marked as safe is not supported")
        }
        return text
    }

    /// The filter `urlencode`, of a text or of the pairs of a query.
    private func urlEncoded(_ value: JinjaValue) throws -> JinjaString {
        let pairs: [JinjaValue]
        switch value {
        case .dictionary(let members): pairs = try self.pairs(of: members)
        case .list, .iterator, .range, .undefined: pairs = try elements(of: value)
        default: return try urlEncoded(try text(of: value), isQuery: false)
        }
        return try join(
            try pairs.map { pair in
                let members = try elements(of: pair)
                guard members.count == 2 else { throw JinjaError.runtime("urlencode needs pairs") }
                return try join(try members.map { try urlEncoded(try text(of: $0), isQuery: true) }, "=")
            }, "&")
    }

    private func urlEncoded(_ text: JinjaString, isQuery: Bool) throws -> JinjaString {
        let plain = (isQuery ? "_.-~" : "_.-~/").unicodeScalars
        var builder = JinjaBuilder(budget)
        for scalar in text.scalars {
            let isPlain = scalar.scalar.isASCII && (scalar.scalar.isPythonAlphanumeric || plain.contains(scalar.scalar))
            guard !isPlain, !isQuery || scalar.scalar != " " else {
                try builder.append(isPlain ? [scalar] : scalar.replaced(by: ["+"]))
                continue
            }
            for byte in String(scalar.scalar).utf8 {
                let digits = String(byte, radix: 16, uppercase: true)
                try builder.append(scalar.replaced(by: "%\(digits.count == 1 ? "0" : "")\(digits)".unicodeScalars))
            }
        }
        return builder.string
    }
}
