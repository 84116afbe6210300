import Storage

/// Resolves references and combinations: turns subschemas into lists of facets without alternatives.
struct SchemaExpander {
    private static let maximumAlternativeCount = 256
    private static let maximumReferenceDepth = 100

    var document: SchemaDocument
    private var patterns = PatternLibrary()
    private var known: [SubschemaID: SchemaKeywordReader.Result] = [:]
    /// How much work is left.
    private var budget = 600_000

    init(_ document: SchemaDocument) { self.document = document }

    /// Takes work from the budget.
    mutating func spend(_ work: Int) throws {
        budget -= work
        guard budget >= 0 else { throw PVITError.schemaTooLarge("the schema takes too long to compile") }
    }

    /// The alternatives of a conjunction of subschemas.
    mutating func alternatives(of schemas: [SubschemaID]) throws -> [SchemaFacets] {
        try alternatives(of: schemas, within: [])
    }

    private mutating func alternatives(of schemas: [SubschemaID], within path: [SubschemaID]) throws -> [SchemaFacets] {
        var result = [SchemaFacets()]
        for schema in schemas {
            result = try products(result, alternatives(of: schema, within: path), at: schema)
        }
        return result
    }

    private mutating func alternatives(of schema: SubschemaID, within path: [SubschemaID]) throws -> [SchemaFacets] {
        let pointer = document[schema].pointer
        guard !path.contains(schema) else {
            throw PVITError.schemaInvalid("the schema refers to itself without any value in between", at: pointer)
        }
        guard path.count < Self.maximumReferenceDepth else {
            throw PVITError.schemaTooLarge("references and combinations nest too deeply")
        }
        guard let object = document[schema].value.object else {
            return document[schema].value == .bool(false) ? [] : [SchemaFacets()]
        }
        let path = path + [schema]
        let keywords: SchemaKeywordReader.Result
        if let known = known[schema] {
            keywords = known
        } else {
            keywords = try SchemaKeywordReader.read(object, at: pointer, document: &document, patterns: &patterns)
            known[schema] = keywords
        }
        var result = try products([keywords.facets], alternatives(of: keywords.all, within: path), at: schema)
        for list in keywords.any {
            var alternatives: [SchemaFacets] = []
            for item in list { alternatives += try self.alternatives(of: item, within: path) }
            result = try products(result, alternatives, at: schema)
        }
        for (list, place) in keywords.one {
            var groups: [[SchemaFacets]] = []
            for item in list { groups.append(try alternatives(of: item, within: path)) }
            for (index, left) in groups.enumerated() {
                for right in groups[..<index] where try !areDisjoint(left, right, depth: 0) {
                    throw PVITError.schemaUnsupported(
                        "oneOf whose alternatives may hold together; use anyOf", at: place)
                }
            }
            result = try products(result, groups.flatMap(\.self), at: schema)
        }
        return result
    }

    private mutating func products(
        _ left: [SchemaFacets], _ right: [SchemaFacets], at schema: SubschemaID
    ) throws -> [SchemaFacets] {
        guard left.count * right.count <= Self.maximumAlternativeCount else {
            throw PVITError.schemaTooLarge(
                "the schema has more than \(Self.maximumAlternativeCount) alternatives at one point")
        }
        var result: [SchemaFacets] = []
        for first in left {
            for second in right {
                // Lists of values are compared element by element.
                let comparisons = (first.values?.count ?? 0) * (second.values?.count ?? 0)
                try spend(first.size + second.size + comparisons)
                result.append(first.merged(with: second))
            }
        }
        return result
    }
}

extension SchemaExpander {
    private static let maximumComparisonDepth = 3

    /// Whether provably no value satisfies one of the left and one of the right facets.
    private mutating func areDisjoint(
        _ left: [SchemaFacets], _ right: [SchemaFacets], depth: Int
    ) throws -> Bool {
        for first in left {
            for second in right where try !areDisjoint(first, second, depth: depth) { return false }
        }
        return true
    }

    private mutating func areDisjoint(_ left: SchemaFacets, _ right: SchemaFacets, depth: Int) throws -> Bool {
        try spend(left.size + right.size)
        if let types = left.types, let others = right.types, SchemaType.intersection(types, others).isEmpty {
            return true
        }
        if let values = left.values { return try !values.contains { try satisfies($0, right) } }
        if let values = right.values { return try !values.contains { try satisfies($0, left) } }
        guard depth < Self.maximumComparisonDepth, left.types == [.object] || right.types == [.object] else {
            return false
        }
        let required = Set(right.required.map(ExactText.init))
        for key in left.required where required.contains(ExactText(key)) {
            let first = try alternatives(of: left.schemas(ofMember: key))
            let second = try alternatives(of: right.schemas(ofMember: key))
            if try areDisjoint(first, second, depth: depth + 1) { return true }
        }
        return false
    }
}

extension SchemaExpander {
    /// Whether a value satisfies subschemas.
    private mutating func satisfies(_ value: JSONValue, _ schemas: [SubschemaID]) throws -> Bool {
        try alternatives(of: schemas).contains { try satisfies(value, $0) }
    }

    /// Whether a value satisfies facets.
    mutating func satisfies(_ value: JSONValue, _ facets: SchemaFacets) throws -> Bool {
        try spend(1 + (facets.values?.count ?? 0))
        if let types = facets.types, !types.contains(where: { $0.includes(value) }) { return false }
        if let values = facets.values, !values.contains(where: { $0.isSameValue(as: value) }) { return false }
        switch value {
        case .null, .bool: return true
        case .integer, .number:
            if let limit = facets.lower {
                guard let order = value.numericOrder(beside: limit.value), order >= (limit.isInclusive ? 0 : 1) else {
                    return false
                }
            }
            if let limit = facets.upper {
                guard let order = value.numericOrder(beside: limit.value), order <= (limit.isInclusive ? 0 : -1) else {
                    return false
                }
            }
            return true
        case .string(let text):
            let length = text.unicodeScalars.count
            return length >= facets.minimumLength && length <= facets.maximumLength ?? .max
                && facets.patterns.allSatisfy { $0.contains(text) }
        case .array(let elements):
            guard elements.count >= facets.minimumCount, elements.count <= facets.maximumCount ?? .max else {
                return false
            }
            for (index, element) in elements.enumerated() {
                guard try satisfies(element, facets.schemas(ofElement: index)) else { return false }
            }
            return true
        case .object(let object):
            guard facets.required.allSatisfy({ object[$0] != nil }) else { return false }
            for member in object.members {
                guard try satisfies(member.value, facets.schemas(ofMember: member.key)) else { return false }
            }
            return true
        }
    }
}
