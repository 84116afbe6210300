import Storage

/// A regular expression as a nondeterministic automaton over code points (Thompson's construction), which searches: the
/// match may lie anywhere in the text.
struct PatternGraph {
    private static let maximumStateCount = 5000

    struct State {
        /// An edge for one character.
        var character: (set: Int, target: Int)?
        var silent: [Int] = []
        /// Edges that are open only at the start of a text.
        var atStart: [Int] = []
        /// Edges that are open only at the end of a text.
        var atEnd: [Int] = []
    }

    private(set) var states: [State] = []
    /// The sets of characters that edges have.
    private(set) var sets: [CodePointSet] = []
    private var setNumbers: [CodePointSet: Int] = [:]
    /// The state before any text.
    private(set) var start = 0
    /// The state after a match.
    private(set) var matched = 0

    init(_ node: PatternNode) throws {
        start = try addState()
        let first = try addState()
        states[start].character = (number(of: .all), start)
        states[start].silent.append(first)
        matched = try addState()
        try add(node, from: first, to: matched)
        states[matched].character = (number(of: .all), matched)
    }

    private mutating func addState() throws -> Int {
        guard states.count < Self.maximumStateCount else {
            throw PVITError.schemaTooLarge("a pattern is too large; its repetitions multiply")
        }
        states.append(State())
        return states.count - 1
    }

    private mutating func number(of set: CodePointSet) -> Int {
        if let known = setNumbers[set] { return known }
        sets.append(set)
        setNumbers[set] = sets.count - 1
        return sets.count - 1
    }

    private mutating func add(_ node: PatternNode, from: Int, to target: Int) throws {
        switch node {
        case .character(let set):
            let state = try addState()
            states[from].silent.append(state)
            states[state].character = (number(of: set), target)
        case .sequence(let items):
            var state = from
            for item in items {
                let next = try addState()
                try add(item, from: state, to: next)
                state = next
            }
            states[state].silent.append(target)
        case .choice(let alternatives):
            for alternative in alternatives {
                let state = try addState()
                states[from].silent.append(state)
                try add(alternative, from: state, to: target)
            }
        case .repetition(let item, let minimum, let maximum):
            try addRepetition(of: item, minimum, maximum, from: from, to: target)
        case .start: states[from].atStart.append(target)
        case .end: states[from].atEnd.append(target)
        }
    }

    private mutating func addRepetition(
        of item: PatternNode, _ minimum: Int, _ maximum: Int?, from: Int, to target: Int
    ) throws {
        var state = from
        for _ in 0..<minimum {
            let next = try addState()
            try add(item, from: state, to: next)
            state = next
        }
        guard let maximum else {
            let loop = try addState()
            let body = try addState()
            states[state].silent.append(loop)
            states[loop].silent += [body, target]
            return try add(item, from: body, to: loop)
        }
        for _ in minimum..<maximum {
            states[state].silent.append(target)
            let next = try addState()
            // A state of its own, which no loop of the item leads back to.
            let first = try addState()
            states[state].silent.append(first)
            try add(item, from: first, to: next)
            state = next
        }
        states[state].silent.append(target)
    }
}
