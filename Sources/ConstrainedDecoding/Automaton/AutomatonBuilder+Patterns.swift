extension AutomatonBuilder {
    /// A state of a pattern and how many characters have been read, as far as that matters.
    private struct PatternState: Hashable {
        let state: Int
        let count: Int
    }

    /// Adds states that read the rest of a string, after its opening quotation mark, that a pattern has.
    ///
    /// Every character has one spelling: quotation marks, backslashes and control characters are escaped, others not.
    mutating func addPattern(
        _ from: StateID, _ pattern: PatternAutomaton, minimum: Int, maximum: Int?
    ) throws {
        let countLimit = maximum ?? minimum
        var numbers: [PatternState: StateID] = [:]
        var pending: [PatternState] = []
        func start(_ next: PatternState, _ builder: inout AutomatonBuilder) throws -> StateID {
            if let known = numbers[next] { return known }
            let state = try builder.addState()
            numbers[next] = state
            pending.append(next)
            return state
        }
        addSilent(from, to: try start(PatternState(state: 0, count: 0), &self))
        while let current = pending.popLast() {
            let state = try start(current, &self)
            if maximum == nil, current.count >= minimum, pattern.acceptsEverything(from: current.state) {
                addCall(state, stringContent, next: ByteAutomaton.final)
                continue
            }
            if pattern.accepts[current.state], current.count >= minimum {
                addEdge(state, "\"", to: ByteAutomaton.final)
            }
            if let maximum, current.count == maximum { continue }
            var sets: [Int: CodePointSet] = [:]
            for (number, set) in pattern.classes.enumerated() {
                let next = Int(pattern.steps[current.state * pattern.classes.count + number])
                if next >= 0 { sets[next] = sets[next]?.union(set) ?? set }
            }
            for (next, set) in sets.sorted(by: { $0.key < $1.key }) {
                let target = try start(PatternState(state: next, count: min(current.count + 1, countLimit)), &self)
                try addCharacters(state, set, to: target)
            }
        }
    }

    /// Adds states that read one character of a set, in its one spelling.
    private mutating func addCharacters(_ from: StateID, _ set: CodePointSet, to target: StateID) throws {
        let escaped = CodePointSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])
        for range in set.intersection(escaped.complement).ranges {
            for sequence in UTF8Sequences.sequences(of: range) { try addPath(from, sequence[...], to: target) }
        }
        for range in set.intersection(escaped).ranges {
            for value in range {
                try addText(from, JSONSpelling.escape(UInt8(value)), to: target)
            }
        }
    }
}
