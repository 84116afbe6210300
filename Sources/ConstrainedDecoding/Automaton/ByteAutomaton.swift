/// A pushdown automaton over bytes: the compiled form of a schema. It may be nondeterministic.
///
/// A state has edges, which consume a byte; silent edges, which consume none; and calls: a part of the automaton is
/// entered, and when it accepts, the state `next` follows. From every state that can be reached the end can be reached.
struct ByteAutomaton: Sendable {
    /// An edge that consumes a byte in a range.
    struct Edge: Hashable, Sendable {
        let low: UInt8
        let high: UInt8
        let target: StateID
    }

    /// A call.
    struct Call: Hashable, Sendable {
        let callee: StateID
        let next: StateID
        /// Whether the callee lies in one more array or object.
        let nests: Bool
    }

    /// A state.
    struct State: Sendable {
        var edges: [Edge] = []
        var silent: [StateID] = []
        var calls: [Call] = []
        var accepts = false
        var role = StateRole.plain
        /// How many more levels of arrays and objects it takes at least to reach the end of this part.
        var neededDepth: Int32 = 0
    }

    /// The state at the end of every part: it accepts and has no edges.
    static let final: StateID = 0
    /// The largest number of arrays and objects around a value.
    static let maximumDepth: Int32 = 63

    let states: [State]
    let start: StateID
    /// For each number of a role `keyOpening`, the keys that additional ones must differ from, in UTF-8, sorted.
    let declaredKeys: [[[UInt8]]]
    /// The class of each byte. Bytes of a class have the same edges everywhere.
    let byteClasses: [UInt8]
    /// A byte of each class.
    let representatives: [UInt8]

    init(states: [State], start: StateID, declaredKeys: [[[UInt8]]]) {
        self.states = states
        self.start = start
        self.declaredKeys = declaredKeys
        // Bytes of keys are compared one by one, so each is a class of its own when there are such keys.
        var begins = [Bool](repeating: !declaredKeys.isEmpty, count: 257)
        for state in states {
            for edge in state.edges {
                begins[Int(edge.low)] = true
                begins[Int(edge.high) + 1] = true
            }
        }
        var classes: [UInt8] = []
        var representatives: [UInt8] = [0]
        for byte in 0..<256 {
            if byte > 0, begins[byte] { representatives.append(UInt8(byte)) }
            classes.append(UInt8(representatives.count - 1))
        }
        byteClasses = classes
        self.representatives = representatives
    }
}
