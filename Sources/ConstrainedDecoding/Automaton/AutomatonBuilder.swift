import Storage

/// Builds a `ByteAutomaton`. Each part ends in the state `final`.
struct AutomatonBuilder {
    /// The largest number of states.
    static let maximumStateCount = 32_768

    var states: [ByteAutomaton.State] = []
    private(set) var declaredKeys: [[[UInt8]]] = []
    /// The state between two characters of a string without restrictions.
    private(set) var stringContent: StateID = 0
    /// The start of a part that reads one character of a string.
    private(set) var stringCharacter: StateID = 0
    /// The start of a part that reads white space, or nothing.
    private(set) var whiteSpace: StateID = 0
    private var paths: [Path: StateID] = [:]

    /// What is still to be read on the way to a state.
    private struct Path: Hashable {
        let ranges: ArraySlice<ClosedRange<UInt8>>
        let target: StateID
    }

    /// Creates an automaton that has the parts that all schemas share.
    init() throws {
        let final = try addState()
        states[Int(final)].accepts = true
        try addStringParts()
        try addWhiteSpace()
    }

    /// Adds a state.
    mutating func addState(_ role: StateRole = .plain) throws -> StateID {
        guard states.count < Self.maximumStateCount else {
            throw PVITError.schemaTooLarge(
                "the schema needs an automaton of more than \(Self.maximumStateCount) states")
        }
        states.append(ByteAutomaton.State())
        states[states.count - 1].role = role
        return StateID(states.count - 1)
    }

    /// Adds an edge for one byte.
    mutating func addEdge(_ from: StateID, _ character: Unicode.Scalar, to target: StateID) {
        addEdge(from, UInt8(ascii: character)...UInt8(ascii: character), to: target)
    }

    /// Adds an edge for a range of bytes.
    mutating func addEdge(_ from: StateID, _ range: ClosedRange<UInt8>, to target: StateID) {
        states[Int(from)].edges.append(
            ByteAutomaton.Edge(low: range.lowerBound, high: range.upperBound, target: target))
    }

    /// Adds an edge that consumes nothing.
    mutating func addSilent(_ from: StateID, to target: StateID) { states[Int(from)].silent.append(target) }

    /// Adds a call.
    mutating func addCall(_ from: StateID, _ callee: StateID, next: StateID, nests: Bool = false) {
        states[Int(from)].calls.append(ByteAutomaton.Call(callee: callee, next: next, nests: nests))
    }

    /// Adds states that read bytes. Ways with the same rest share states.
    mutating func addPath(_ from: StateID, _ ranges: ArraySlice<ClosedRange<UInt8>>, to target: StateID) throws {
        guard let first = ranges.first else { return addSilent(from, to: target) }
        let next = try pathStart(ranges.dropFirst(), to: target)
        addEdge(from, first, to: next)
    }

    /// Adds states that read a text.
    mutating func addText(_ from: StateID, _ text: some Sequence<UInt8>, to target: StateID) throws {
        try addPath(from, text.map { $0...$0 }[...], to: target)
    }

    private mutating func pathStart(_ ranges: ArraySlice<ClosedRange<UInt8>>, to target: StateID) throws -> StateID {
        // From the end, so that the work is linear and nothing nests.
        var next = target
        for index in ranges.indices.reversed() {
            let path = Path(ranges: ranges[index...index], target: next)
            if let known = paths[path] {
                next = known
                continue
            }
            let state = try addState()
            addEdge(state, ranges[index], to: next)
            paths[path] = state
            next = state
        }
        return next
    }

    /// Registers keys that additional ones must differ from.
    mutating func addDeclaredKeys(_ keys: [[UInt8]]) -> Int32 {
        declaredKeys.append(keys.sorted { $0.lexicographicallyPrecedes($1) })
        return Int32(declaredKeys.count - 1)
    }

    private mutating func addStringParts() throws {
        stringContent = try addState(.stringContent(remaining: .max))
        try addCharacter(stringContent, to: stringContent)
        addEdge(stringContent, "\"", to: ByteAutomaton.final)
        stringCharacter = try addState(.stringCharacter)
        try addCharacter(stringCharacter, to: ByteAutomaton.final)
    }

    private mutating func addWhiteSpace() throws {
        whiteSpace = try WhiteSpaceForm.addStates(to: &self)
    }
}
