import Storage

/// A set of strings as a deterministic automaton over code points.
struct PatternAutomaton: Sendable {
    private static let maximumStateCount = 3000
    private static let maximumStepCount = 1_000_000
    private static let maximumWork = 30_000_000

    /// The characters that have the same edges everywhere. They are disjoint.
    let classes: [CodePointSet]
    /// `[state, class]`: the next state, or -1. State 0 is the first one.
    let steps: [Int32]
    let accepts: [Bool]

    private init(classes: [CodePointSet], steps: [Int32], accepts: [Bool]) {
        self.classes = classes
        self.steps = steps
        self.accepts = accepts
    }

    /// The strings in which a regular expression is found.
    init(_ node: PatternNode) throws { self = try Self.determinize(PatternGraph(node)) }

    /// The state after a character; -1 if there is none.
    private func step(_ state: Int, _ value: UInt32) -> Int {
        guard let number = classes.firstIndex(where: { $0.contains(value) }) else { return -1 }
        return Int(steps[state * classes.count + number])
    }

    /// Whether a string is in the set.
    func contains(_ text: String) -> Bool {
        var state = 0
        for scalar in text.unicodeScalars {
            state = step(state, scalar.value)
            guard state >= 0 else { return false }
        }
        return accepts[state]
    }

    /// Whether every string that begins as the one that led to a state is in the set.
    func acceptsEverything(from state: Int) -> Bool {
        accepts[state] && classes.indices.allSatisfy { steps[state * classes.count + $0] == state }
            && classes.reduce(CodePointSet([])) { $0.union($1) } == .all
    }

    /// The strings that are in both sets.
    func intersection(_ other: PatternAutomaton) throws -> PatternAutomaton {
        var pairs: [(Int, Int)] = []
        var classes: [CodePointSet] = []
        for left in self.classes.indices {
            for right in other.classes.indices {
                let common = self.classes[left].intersection(other.classes[right])
                guard !common.isEmpty else { continue }
                pairs.append((left, right))
                classes.append(common)
            }
        }
        return try Self.explore(classes: classes, first: [0, 0]) { state in
            let accepts = self.accepts[state[0]] && other.accepts[state[1]]
            let next = pairs.map { left, right -> [Int] in
                let first = self.steps[state[0] * self.classes.count + left]
                let second = other.steps[state[1] * other.classes.count + right]
                return first < 0 || second < 0 ? [] : [Int(first), Int(second)]
            }
            return (accepts, next)
        }
    }

    private static func determinize(_ graph: PatternGraph) throws -> PatternAutomaton {
        let (classes, members) = partition(graph.sets)
        var work = 0
        func closure(_ states: [Int], atStart: Bool, atEnd: Bool) throws -> [Int] {
            var seen: Set<Int> = []
            var pending = states
            while let state = pending.popLast() {
                guard seen.insert(state).inserted else { continue }
                pending += graph.states[state].silent
                if atStart { pending += graph.states[state].atStart }
                if atEnd { pending += graph.states[state].atEnd }
            }
            work += seen.count * (classes.count + 1)
            guard work <= maximumWork else { throw PVITError.schemaTooLarge("a pattern takes too long to compile") }
            // After a match the rest does not matter.
            return seen.contains(graph.matched) ? [graph.matched] : seen.sorted()
        }
        let first = try closure([graph.start], atStart: true, atEnd: false)
        let emptyMatches = try closure([graph.start], atStart: true, atEnd: true).contains(graph.matched)
        // No other subset is marked by -1, so that only the first state accepts the empty string by both assertions.
        return try explore(classes: classes, first: [-1] + first) { marked in
            let isFirst = marked.first == -1
            let state = isFirst ? Array(marked.dropFirst()) : marked
            let accepts =
                try isFirst
                ? emptyMatches : closure(state, atStart: false, atEnd: true).contains(graph.matched)
            let next = try members.map { sets in
                let targets = state.compactMap { number -> Int? in
                    guard let edge = graph.states[number].character, sets.contains(edge.set) else { return nil }
                    return edge.target
                }
                return targets.isEmpty ? [] : try closure(targets, atStart: false, atEnd: false)
            }
            return (accepts, next)
        }
    }

    /// Divides all code points into classes, each with the numbers of the sets that have it.
    private static func partition(_ sets: [CodePointSet]) -> ([CodePointSet], [Set<Int>]) {
        var bounds: Set<UInt32> = [0]
        for range in sets.flatMap(\.ranges) {
            bounds.insert(range.lowerBound)
            bounds.insert(range.upperBound + 1)
        }
        let starts = bounds.sorted()
        var rangesOfMembers: [Set<Int>: [ClosedRange<UInt32>]] = [:]
        var order: [Set<Int>] = []
        for (index, start) in starts.enumerated() where start <= 0x10FFFF {
            let end = index + 1 < starts.count ? starts[index + 1] - 1 : 0x10FFFF
            let members = Set(sets.indices.filter { sets[$0].contains(start) })
            guard !members.isEmpty else { continue }
            if rangesOfMembers[members] == nil { order.append(members) }
            rangesOfMembers[members, default: []].append(start...end)
        }
        return (order.map { CodePointSet(rangesOfMembers[$0] ?? []) }, order)
    }

    /// Numbers the states that can be reached, and removes those from which no accepting one can be reached.
    private static func explore(
        classes: [CodePointSet], first: [Int], _ visit: ([Int]) throws -> (accepts: Bool, next: [[Int]])
    ) throws -> PatternAutomaton {
        var numbers: [[Int]: Int32] = [first: 0]
        var states = [first]
        var steps: [Int32] = []
        var accepts: [Bool] = []
        while accepts.count < states.count {
            let result = try visit(states[accepts.count])
            accepts.append(result.accepts)
            for next in result.next {
                if next.isEmpty {
                    steps.append(-1)
                } else if let known = numbers[next] {
                    steps.append(known)
                } else {
                    guard states.count < maximumStateCount, steps.count < maximumStepCount else {
                        throw PVITError.schemaTooLarge(
                            "a pattern needs an automaton of more than \(maximumStateCount) states")
                    }
                    numbers[next] = Int32(states.count)
                    steps.append(Int32(states.count))
                    states.append(next)
                }
            }
        }
        // Going backwards until nothing changes.
        var isLive = accepts
        var users = [[Int]](repeating: [], count: states.count)
        for index in steps.indices where steps[index] >= 0 {
            users[Int(steps[index])].append(index / classes.count)
        }
        var pending = accepts.indices.filter { accepts[$0] }
        while let state = pending.popLast() {
            for user in users[state] where !isLive[user] {
                isLive[user] = true
                pending.append(user)
            }
        }
        for index in steps.indices where steps[index] >= 0 && !isLive[Int(steps[index])] { steps[index] = -1 }
        return PatternAutomaton(classes: classes, steps: steps, accepts: accepts)
    }
}
