/// The values for the fields of Python's `str.format`.
struct JinjaFormatFields {
    var positional: [JinjaValue] = []
    var named: [String: JinjaValue] = [:]
    /// The index of the next unnumbered field; nil after a numbered field.
    var next: Int? = 0
}

extension JinjaRenderer {
    /// Formats values, as Python's `str.format` does.
    func format(_ pattern: JinjaString, _ fields: JinjaFormatFields) throws -> JinjaString {
        var fields = fields
        return try format(pattern.scalars[...], &fields, depth: 0)
    }

    private func format(
        _ pattern: ArraySlice<PromptScalar>, _ fields: inout JinjaFormatFields, depth: Int
    ) throws -> JinjaString {
        guard depth <= 1 else { throw JinjaError.runtime("the fields of a format nest too deeply") }
        var builder = JinjaBuilder(budget)
        var rest = pattern
        while let scalar = rest.popFirst() {
            switch scalar.scalar {
            case "{" where rest.first?.scalar != "{":
                let field = try Self.takeField(&rest)
                try builder.append(try self.field(field, &fields, depth: depth))
            case "}" where rest.first?.scalar != "}":
                throw JinjaError.runtime("a format has '}' without '{'")
            case "{", "}":
                rest.removeFirst()
                try builder.append(CollectionOfOne(scalar))
            default: try builder.append(CollectionOfOne(scalar))
            }
        }
        return builder.string
    }

    /// Takes the content of a field and its closing brace.
    private static func takeField(_ rest: inout ArraySlice<PromptScalar>) throws -> ArraySlice<PromptScalar> {
        var depth = 1
        for index in rest.indices {
            if rest[index].scalar == "{" { depth += 1 }
            if rest[index].scalar == "}" { depth -= 1 }
            guard depth == 0 else { continue }
            defer { rest = rest[(index + 1)...] }
            return rest[..<index]
        }
        throw JinjaError.runtime("a format has '{' without '}'")
    }

    private func field(
        _ field: ArraySlice<PromptScalar>, _ fields: inout JinjaFormatFields, depth: Int
    ) throws -> JinjaString {
        let nameEnd = field.firstIndex { $0.scalar == ":" || $0.scalar == "!" } ?? field.endIndex
        var value = try lookUp(field[..<nameEnd], &fields)
        var rest = field[nameEnd...]
        if rest.first?.scalar == "!" {
            rest.removeFirst()
            switch rest.popFirst()?.scalar {
            case "s": value = .string(try text(of: value))
            case "r": value = .string(try representation(of: value))
            default: throw JinjaError.runtime("a conversion in a format is not supported")
            }
        }
        guard rest.first?.scalar == ":" || rest.isEmpty else { throw JinjaError.runtime("a format lacks a ':'") }
        let specification = try format(rest.dropFirst(), &fields, depth: depth + 1)
        return try formatted(value, specification)
    }

    private func lookUp(_ name: ArraySlice<PromptScalar>, _ fields: inout JinjaFormatFields) throws -> JinjaValue {
        let first = String(name.prefix { $0.scalar != "." && $0.scalar != "[" })
        var rest = name.dropFirst(first.unicodeScalars.count)
        var index = Int(first)
        if first.isEmpty || index != nil {
            guard first.isEmpty == (fields.next != nil) || fields.next == 0 else {
                throw JinjaError.runtime("a format mixes numbered and unnumbered fields")
            }
            if first.isEmpty, let next = fields.next {
                index = next
                fields.next = next + 1
            } else {
                guard !first.isEmpty else { throw JinjaError.runtime("a format mixes numbered and unnumbered fields") }
                fields.next = nil
            }
        }
        let found =
            index.map { fields.positional.indices.contains($0) ? fields.positional[$0] : nil } ?? fields.named[first]
        guard var value = found else { throw JinjaError.runtime("a format has no value for '\(first)'") }
        while let mark = rest.popFirst()?.scalar {
            let end: (PromptScalar) -> Bool =
                mark == "[" ? { $0.scalar == "]" } : { $0.scalar == "." || $0.scalar == "[" }
            let key = JinjaString(rest.prefix { !end($0) })
            rest = rest.dropFirst(key.count)
            if mark == "[" {
                guard rest.popFirst() != nil else { throw JinjaError.runtime("a format lacks a ']'") }
                value = try item(value, Int(key.text).map { .integer($0) } ?? .string(key))
            } else {
                value = try attribute(key.text, of: value)
            }
        }
        return value
    }

    private func formatted(_ value: JinjaValue, _ specification: JinjaString) throws -> JinjaString {
        guard specification.count > 0 else { return try text(of: value) }
        let parsed = try JinjaFormatSpecification(specification)
        try budget.spend(parsed.width)
        switch value {
        case .string(let text): return try parsed.formatted(text)
        case .bool(let value): return try parsed.formatted(value ? 1 : 0)
        case .integer(let number): return try parsed.formatted(number)
        case .float(let number): return try parsed.formatted(number)
        case .undefined(let words): throw JinjaError.runtime(words)
        default: throw JinjaError.runtime("a format cannot be used with \(value.typeName)")
        }
    }
}
