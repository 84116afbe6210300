import Storage

extension JSONSchemaCompiler {
    /// The deepest nesting of a value in `enum` or `const`.
    private static let maximumValueDepth = 60

    /// Adds states that read one of several values, each in one spelling.
    mutating func addValues(_ values: [JSONValue], from state: StateID) throws {
        // Values with a common start share states.
        var next: [StateID: [UInt8: StateID]] = [:]
        for value in values {
            switch value {
            case .array, .object: try add(value, from: state, to: ByteAutomaton.final, depth: 0)
            default:
                var current = state
                for byte in Self.spelling(of: value) {
                    if let known = next[current]?[byte] {
                        current = known
                        continue
                    }
                    let target = try builder.addState()
                    builder.addEdge(current, byte...byte, to: target)
                    next[current, default: [:]][byte] = target
                    current = target
                }
                builder.addSilent(current, to: ByteAutomaton.final)
            }
        }
    }

    private static func spelling(of value: JSONValue) -> [UInt8] {
        if case .string(let text) = value { JSONSpelling.quoted(text) } else { value.encoded() }
    }

    private mutating func add(_ value: JSONValue, from: StateID, to target: StateID, depth: Int) throws {
        guard depth < Self.maximumValueDepth else {
            throw PVITError.schemaTooLarge("a value in \"enum\" or \"const\" nests too deeply")
        }
        switch value {
        case .array(let elements):
            try addList(elements.count, brackets: ("[", "]"), from: from, to: target) { compiler, index, from, next in
                try compiler.add(elements[index], from: from, to: next, depth: depth + 1)
            }
        case .object(let object):
            try addList(object.members.count, brackets: ("{", "}"), from: from, to: target) {
                compiler, index, from, next in
                let colon = try compiler.builder.addState()
                let value = try compiler.builder.addState()
                let key = JSONSpelling.quoted(object.members[index].key) + [UInt8(ascii: ":")]
                try compiler.builder.addText(from, key, to: colon)
                compiler.builder.addEdge(colon, " ", to: value)
                compiler.builder.addSilent(colon, to: value)
                try compiler.add(object.members[index].value, from: value, to: next, depth: depth + 1)
            }
        default: try builder.addText(from, Self.spelling(of: value), to: target)
        }
    }

    private mutating func addList(
        _ count: Int, brackets: (Unicode.Scalar, Unicode.Scalar), from: StateID, to target: StateID,
        _ addItem: (inout JSONSchemaCompiler, Int, StateID, StateID) throws -> Void
    ) throws {
        let opened = try builder.addState()
        builder.addEdge(from, brackets.0, to: opened)
        let closing = try builder.addState()
        builder.addEdge(closing, brackets.1, to: target)
        var last = opened
        for index in 0..<count {
            let before = try builder.addState()
            builder.addCall(last, builder.whiteSpace, next: before)
            let after = try builder.addState()
            try addItem(&self, index, before, after)
            last = after
            if index + 1 < count {
                last = try builder.addState()
                builder.addEdge(after, ",", to: last)
            }
        }
        builder.addCall(last, builder.whiteSpace, next: closing)
    }
}
