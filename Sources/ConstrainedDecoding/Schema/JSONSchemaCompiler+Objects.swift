import Storage

extension JSONSchemaCompiler {
    /// Adds states that read an object: the declared properties in their order, then additional ones.
    mutating func addObject(_ facets: SchemaFacets, from state: StateID) throws {
        var properties = facets.properties
        for key in facets.required where !facets.hasProperty(key) {
            properties.append(SchemaFacets.Property(key: key, schemas: facets.additional ?? []))
        }
        let required = Set(facets.required.map(ExactText.init))
        let isRequired = properties.map { required.contains(ExactText($0.key)) }
        let optionalStart = (isRequired.lastIndex(of: true) ?? -1) + 1

        let opened = try builder.addState()
        builder.addEdge(state, "{", to: opened)
        let closing = try builder.addState()
        builder.addEdge(closing, "}", to: ByteAutomaton.final)
        // The states before the key and after the value of each property; the last ones are for additional properties.
        let keys = try (0...properties.count).map { _ in try builder.addState() }
        let afterwards = try (0...properties.count).map { _ in try builder.addState() }
        let beforeFirst = try builder.addState()
        builder.addCall(opened, builder.whiteSpace, next: beforeFirst)
        builder.addSilent(beforeFirst, to: keys[0])
        if optionalStart == 0 { builder.addSilent(beforeFirst, to: closing) }

        for (index, property) in properties.enumerated() {
            let colon = try builder.addState()
            try builder.addText(keys[index], JSONSpelling.quoted(property.key), to: colon)
            try addMemberValue(property.schemas, from: colon, to: afterwards[index + 1])
            if !isRequired[index] { builder.addSilent(keys[index], to: keys[index + 1]) }
        }
        // Without `properties`, an object may have any members.
        if let additional = facets.additional ?? (facets.listsProperties ? nil : []) {
            let declared = builder.addDeclaredKeys(properties.map { Array($0.key.utf8) })
            let colon = try builder.addState()
            try builder.addFurtherKey(keys[properties.count], declared: declared, to: colon)
            try addMemberValue(additional, from: colon, to: afterwards[properties.count])
        }
        for index in afterwards.indices {
            let comma = try builder.addState()
            builder.addEdge(afterwards[index], ",", to: comma)
            builder.addCall(comma, builder.whiteSpace, next: keys[index])
            if index >= optionalStart { builder.addCall(afterwards[index], builder.whiteSpace, next: closing) }
        }
    }

    private mutating func addMemberValue(_ schemas: [SubschemaID], from colon: StateID, to next: StateID) throws {
        let space = try builder.addState()
        builder.addEdge(colon, ":", to: space)
        let value = try builder.addState()
        builder.addEdge(space, " ", to: value)
        builder.addSilent(space, to: value)
        builder.addCall(value, try part(for: schemas), next: next, nests: true)
    }
}
