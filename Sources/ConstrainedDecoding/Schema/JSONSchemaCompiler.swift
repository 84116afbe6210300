import Storage

/// Compiles a JSON Schema to an automaton that accepts only JSON texts which satisfy it.
struct JSONSchemaCompiler {
    private static let maximumPartCount = 8192

    var expander: SchemaExpander
    var builder: AutomatonBuilder
    /// The starts of the parts for conjunctions of subschemas.
    private var parts: [[SubschemaID]: StateID] = [:]
    private var pending: [(schemas: [SubschemaID], start: StateID)] = []

    /// Takes a schema.
    init(_ schema: JSONValue) throws {
        expander = SchemaExpander(try SchemaDocument(schema))
        builder = try AutomatonBuilder()
    }

    /// Compiles the schema.
    mutating func compile() throws -> ByteAutomaton {
        let start = try builder.addState()
        // A tokenizer may drop the space that the first token begins with, or not.
        builder.addCall(start, builder.whiteSpace, next: try part(for: [expander.document.rootID()]))
        while let (schemas, start) = pending.popLast() {
            for facets in try expander.alternatives(of: schemas) { try add(facets, from: start) }
        }
        guard let automaton = try builder.finish(start: start) else {
            throw PVITError.schemaInvalid("nothing satisfies the schema", at: "")
        }
        return automaton
    }

    /// The start of the part that reads a value which satisfies all of some subschemas.
    mutating func part(for schemas: [SubschemaID]) throws -> StateID {
        var seen: Set<SubschemaID> = []
        let schemas = schemas.filter { seen.insert($0).inserted }
        if let known = parts[schemas] { return known }
        guard parts.count < Self.maximumPartCount else {
            throw PVITError.schemaTooLarge("the schema combines to more than \(Self.maximumPartCount) schemas")
        }
        let start = try builder.addState()
        parts[schemas] = start
        pending.append((schemas, start))
        return start
    }

    private mutating func add(_ facets: SchemaFacets, from start: StateID) throws {
        if let values = facets.values {
            var others = facets
            others.values = nil
            return try addValues(values.filter { try expander.satisfies($0, others) }, from: start)
        }
        var types = facets.types ?? (facets.hints.isEmpty ? Set(SchemaType.allCases) : facets.hints)
        if types.contains(.number) { types.remove(.integer) }
        for type in SchemaType.allCases where types.contains(type) {
            let state = try builder.addState()
            builder.addSilent(start, to: state)
            switch type {
            case .null: try addValues([.null], from: state)
            case .boolean: try addValues([.bool(true), .bool(false)], from: state)
            case .integer: try addInteger(facets, from: state)
            case .number: try addNumber(facets, from: state)
            case .string: try addString(facets, from: state)
            case .array: try addArray(facets, from: state)
            case .object: try addObject(facets, from: state)
            }
        }
    }

    private mutating func addString(_ facets: SchemaFacets, from state: StateID) throws {
        let content = try builder.addState()
        builder.addEdge(state, "\"", to: content)
        if let maximum = facets.maximumLength, maximum < facets.minimumLength { return }
        guard var pattern = facets.patterns.first else {
            return try builder.addCountedString(
                content, minimum: facets.minimumLength, maximum: facets.maximumLength)
        }
        for other in facets.patterns.dropFirst() { pattern = try pattern.intersection(other) }
        try builder.addPattern(
            content, pattern, minimum: facets.minimumLength, maximum: facets.maximumLength)
    }

    private mutating func addArray(_ facets: SchemaFacets, from state: StateID) throws {
        let opened = try builder.addState()
        builder.addEdge(state, "[", to: opened)
        let closing = try builder.addState()
        builder.addEdge(closing, "]", to: ByteAutomaton.final)
        let beforeFirst = try builder.addState()
        builder.addCall(opened, builder.whiteSpace, next: beforeFirst)
        if facets.minimumCount == 0 { builder.addSilent(beforeFirst, to: closing) }
        // Without `items`, elements beyond `prefixItems` are generated only if `minItems` demands them.
        var maximum = facets.maximumCount ?? .max
        if facets.items == nil, facets.listsItems {
            maximum = min(maximum, max(facets.prefix.count, facets.minimumCount))
        }
        // After this many elements, all others are alike.
        let limit = maximum == .max ? max(facets.minimumCount, facets.prefix.count) : maximum
        var before = beforeFirst
        var count = 0
        while count < maximum {
            let after = try builder.addState()
            builder.addCall(before, try part(for: facets.schemas(ofElement: count)), next: after, nests: true)
            count += 1
            if count >= facets.minimumCount { builder.addCall(after, builder.whiteSpace, next: closing) }
            guard count < maximum else { return }
            let comma = try builder.addState()
            builder.addEdge(after, ",", to: comma)
            before = try builder.addState()
            builder.addCall(comma, builder.whiteSpace, next: before)
            if count > limit {
                // The next element is like this one.
                return builder.addCall(
                    before, try part(for: facets.schemas(ofElement: count)), next: after, nests: true)
            }
        }
    }
}
