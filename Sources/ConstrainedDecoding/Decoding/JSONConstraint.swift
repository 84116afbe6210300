import Platform
import Storage

/// A form that a text must have: a JSON text that satisfies a schema. Immutable; make one for each schema and share it.
package struct JSONConstraint: Sendable {
    private let automaton: ByteAutomaton
    private let shared: SharedTable

    /// Compiles a JSON Schema. `formats/json_schema.md` says what is supported and which valid texts are allowed.
    ///
    /// - Throws: `schema.unsupported` naming the keyword and its JSON pointer; `schema.invalid` for a malformed schema
    ///   and for one that nothing satisfies; `schema.too-large`.
    package init(schema: JSONValue) throws {
        var compiler = try JSONSchemaCompiler(schema)
        self.init(try compiler.compile())
    }

    /// Any JSON object.
    package static func anyObject() throws -> JSONConstraint { try JSONConstraint(schema: ["type": "object"]) }

    private init(_ automaton: ByteAutomaton) {
        self.automaton = automaton
        shared = SharedTable(ConfigurationTableLock(automaton))
    }

    /// The state before any text. All states share what they have learned about the constraint.
    package func makeState() -> ConstraintState {
        let table = shared.current.withLock { current in
            if current.table.withLock({ $0.isFull }) { current = ConfigurationTableLock(automaton) }
            return current
        }
        return ConstraintState(table)
    }
}

/// The table that the next state uses.
private final class SharedTable: Sendable {
    let current: Lock<ConfigurationTableLock>

    init(_ table: ConfigurationTableLock) { current = Lock(table) }
}

/// A table that several states use.
final class ConfigurationTableLock: Sendable {
    let table: Lock<ConfigurationTable>

    init(_ automaton: ByteAutomaton) { table = Lock(ConfigurationTable(automaton)) }
}
