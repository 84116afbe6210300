import Platform

/// How far a text has been read under a constraint. A value whose copies cost nothing.
package struct ConstraintState: Sendable {
    private var shared: ConfigurationTableLock
    private var configuration: Int32
    private var strings = StringTracker()

    init(_ shared: ConfigurationTableLock) {
        self.shared = shared
        configuration = shared.table.withLock { $0.makeStart() }
    }

    /// Reads more of the text.
    ///
    /// - Returns: Whether the text is still the beginning of an allowed one. If not, the state is unchanged.
    package mutating func append(_ bytes: some Sequence<UInt8>) -> Bool {
        renewTable()
        var (configuration, strings) = (configuration, strings)
        let bytes = Array(bytes)
        let isAllowed = shared.table.withLock { table in
            for byte in bytes {
                configuration = table.step(configuration, byte)
                guard configuration != ConfigurationTable.dead else { return false }
                strings.append(byte)
                if byte == UInt8(ascii: "\""), table.hasPendingKey(configuration) {
                    configuration = table.settled(configuration, key: strings.content)
                }
            }
            return true
        }
        if isAllowed { (self.configuration, self.strings) = (configuration, strings) }
        return isAllowed
    }

    /// Whether the text is complete.
    package var mayEnd: Bool { withTable { $0.configurations[Int($1)].accepts } }

    /// Whether the text is complete and nothing can be added to it.
    package var mustEnd: Bool {
        withTable { $0.configurations[Int($1)].accepts && $0.configurations[Int($1)].branches.isEmpty }
    }

    /// Lends the table and the number of the configuration.
    func withTable<Result: Sendable>(_ body: (inout ConfigurationTable, Int32) -> Result) -> Result {
        shared.table.withLock { body(&$0, configuration) }
    }

    /// Goes on with a new table when the old one has grown too much.
    private mutating func renewTable() {
        let number = configuration
        let renewed: (ConfigurationTableLock, Int32)? = shared.table.withLock { table in
            guard table.isFull else { return nil }
            let next = ConfigurationTableLock(table.automaton)
            return (next, next.table.withLock { $0.adopt(number, of: table) })
        }
        if let renewed { (shared, configuration) = renewed }
    }
}

/// Knows the bytes of the last string of a JSON text.
private struct StringTracker: Sendable {
    /// The bytes of the last string as they stand in the text.
    private(set) var content: [UInt8] = []
    private var isInside = false
    private var isEscaped = false

    mutating func append(_ byte: UInt8) {
        if !isInside {
            guard byte == UInt8(ascii: "\"") else { return }
            isInside = true
            content.removeAll(keepingCapacity: true)
        } else if isEscaped {
            isEscaped = false
            content.append(byte)
        } else if byte == UInt8(ascii: "\"") {
            isInside = false
        } else {
            isEscaped = byte == UInt8(ascii: "\\")
            content.append(byte)
        }
    }
}
