/// The configurations of an automaton that texts have led to, and the steps between them: the automaton made
/// deterministic, as far as it was needed.
///
/// A configuration is the set of all ways to read the text so far. Each way, a branch, is a state and the stacks of the
/// states to return to. Stacks that differ only further down share their top, so that ways which multiply with each
/// level do not (a graph-structured stack; Tomita, 1985). Tops of stacks and configurations are numbered, so that a
/// known step is one look-up.
struct ConfigurationTable {
    /// A way to read the text so far.
    struct Branch: Hashable {
        let state: StateID
        /// A number of `keys`, for states inside an object that may have further keys.
        let keys: Int32
        /// The number of the top of its stacks.
        let stack: Int32

        static func precedes(_ left: Branch, _ right: Branch) -> Bool {
            (left.state, left.stack, left.keys) < (right.state, right.stack, right.keys)
        }
    }

    /// The common top of some stacks. Number 0 is the empty stack.
    struct Frame: Hashable {
        let next: StateID
        let keys: Int32
        /// What lies below, in ascending order.
        let parents: [Int32]
        /// The number of arrays and objects around the value.
        let depth: Int32
    }

    /// A call from branches that differ only in their stacks.
    private struct OpenCall: Hashable {
        let call: ByteAutomaton.Call
        let keys: Int32
        let depth: Int32
    }

    /// Calls, each once and in the order of their discovery, with the stacks of their branches.
    private struct OpenCalls {
        private(set) var order: [OpenCall] = []
        private(set) var stacks: [OpenCall: Set<Int32>] = [:]

        mutating func add(_ call: OpenCall, stack: Int32) {
            if stacks[call] == nil { order.append(call) }
            stacks[call, default: []].insert(stack)
        }
    }

    /// A configuration.
    struct Configuration: Hashable {
        /// In a fixed order.
        var branches: [Branch] = []
        /// Whether the text is complete.
        var accepts = false
    }

    /// How tokens of plain characters can be told apart from others without reading them.
    struct PlainRun {
        /// This many plain characters are accepted, whichever they are.
        var length: Int32
        /// Whether no more are accepted.
        var isLimit: Bool
    }

    /// The number of branches beyond which the last ones are dropped. What is left is a part of the schema's texts.
    static let maximumBranchCount = 1024
    /// The step to no configuration.
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2

    let automaton: ByteAutomaton
    private(set) var configurations: [Configuration] = []
    private var numbers: [Configuration: Int32] = [:]
    /// `[configuration, byte class]`.
    private var steps: [Int32] = []
    private var frames: [Frame] = []
    private var frameNumbers: [Frame: Int32] = [:]
    private var keys: KeyTable
    var maskCache = MaskCache()

    /// Creates a table without configurations.
    init(_ automaton: ByteAutomaton) {
        self.automaton = automaton
        keys = KeyTable(declaredKeys: automaton.declaredKeys)
    }

    /// The configuration before any text.
    mutating func makeStart() -> Int32 {
        var closure = Closure()
        closure.add(Branch(state: automaton.start, keys: 0, stack: 0))
        return finish(&closure)
    }

    /// Whether the table has grown so much that a new one should be started.
    var isFull: Bool {
        steps.count > 8_000_000 || configurations.count > 100_000 || frames.count > 500_000
            || keys.byteCount > 32_000_000
    }

    /// The configuration after a byte; `dead` if it is not allowed.
    mutating func step(_ number: Int32, _ byte: UInt8) -> Int32 {
        let byteClass = automaton.byteClasses[Int(byte)]
        let index = Int(number) * automaton.representatives.count + Int(byteClass)
        let known = steps[index]
        if known != Self.unknown { return known }
        let next = computeStep(number, automaton.representatives[Int(byteClass)])
        steps[index] = next
        return next
    }

    private mutating func computeStep(_ number: Int32, _ byte: UInt8) -> Int32 {
        var closure = Closure()
        for branch in configurations[Int(number)].branches {
            let role = automaton.states[Int(branch.state)].role
            for edge in automaton.states[Int(branch.state)].edges where edge.low <= byte && byte <= edge.high {
                guard let keys = keysAfter(byte, from: branch, role) else { continue }
                closure.add(Branch(state: edge.target, keys: keys, stack: branch.stack))
            }
        }
        return closure.pending.isEmpty ? Self.dead : finish(&closure)
    }

    private mutating func keysAfter(_ byte: UInt8, from branch: Branch, _ role: StateRole) -> Int32? {
        switch role {
        case .plain, .stringContent, .stringCharacter: branch.keys
        case .keyOpening(let declared): keys.opened(branch.keys, declared: declared)
        case .keyContent where byte == UInt8(ascii: "\""): keys.closed(branch.keys)
        case .keyContent: keys.advanced(branch.keys, by: byte)
        }
    }

    /// Follows everything that consumes no byte and numbers the result.
    private mutating func finish(_ closure: inout Closure) -> Int32 {
        var result = Configuration()
        while !closure.pending.isEmpty {
            var calls = OpenCalls()
            while let branch = closure.pending.popLast() { follow(branch, &closure, &calls, into: &result) }
            for open in calls.order {
                let frame = Frame(
                    next: open.call.next, keys: open.keys, parents: calls.stacks[open, default: []].sorted(),
                    depth: open.depth + (open.call.nests ? 1 : 0))
                closure.add(Branch(state: open.call.callee, keys: 0, stack: frameNumber(of: frame)))
            }
        }
        guard !result.branches.isEmpty || result.accepts else { return Self.dead }
        result.branches.sort(by: Branch.precedes)
        if result.branches.count > Self.maximumBranchCount {
            result.branches.removeLast(result.branches.count - Self.maximumBranchCount)
        }
        return self.number(of: result)
    }

    private func follow(
        _ branch: Branch, _ closure: inout Closure, _ calls: inout OpenCalls, into result: inout Configuration
    ) {
        let state = automaton.states[Int(branch.state)]
        let depth = branch.stack == 0 ? 0 : frames[Int(branch.stack) - 1].depth
        guard depth + state.neededDepth <= ByteAutomaton.maximumDepth else { return }
        var isRead = !state.edges.isEmpty
        if case .stringContent = state.role { isRead = true }
        if isRead { result.branches.append(branch) }
        if state.accepts {
            if branch.stack == 0 {
                result.accepts = true
            } else {
                let frame = frames[Int(branch.stack) - 1]
                for parent in frame.parents {
                    closure.add(Branch(state: frame.next, keys: frame.keys, stack: parent))
                }
            }
        }
        for target in state.silent { closure.add(Branch(state: target, keys: branch.keys, stack: branch.stack)) }
        for call in state.calls
        where depth + automaton.states[Int(call.next)].neededDepth <= ByteAutomaton.maximumDepth {
            if call.next == ByteAutomaton.final, !call.nests {
                // Nothing is left to do after the callee.
                closure.add(Branch(state: call.callee, keys: 0, stack: branch.stack))
            } else {
                calls.add(OpenCall(call: call, keys: branch.keys, depth: depth), stack: branch.stack)
            }
        }
    }

    private mutating func frameNumber(of frame: Frame) -> Int32 {
        if let known = frameNumbers[frame] { return known }
        frames.append(frame)
        frameNumbers[frame] = Int32(frames.count)
        return Int32(frames.count)
    }

    private mutating func number(of configuration: Configuration) -> Int32 {
        if let known = numbers[configuration] { return known }
        configurations.append(configuration)
        steps.append(contentsOf: repeatElement(Self.unknown, count: automaton.representatives.count))
        numbers[configuration] = Int32(configurations.count - 1)
        return Int32(configurations.count - 1)
    }
}

extension ConfigurationTable {
    /// Branches to follow, each once.
    private struct Closure {
        var pending: [Branch] = []
        private var few: [Branch] = []
        private var many: Set<Branch> = []

        mutating func add(_ branch: Branch) {
            if few.count < 16 {
                guard !few.contains(branch) else { return }
                few.append(branch)
                if few.count == 16 { many = Set(few) }
            } else {
                guard many.insert(branch).inserted else { return }
            }
            pending.append(branch)
        }
    }

    /// Whether a key of the text is complete and the table does not know it yet.
    func hasPendingKey(_ number: Int32) -> Bool {
        configurations[Int(number)].branches.contains { keys.isPending($0.keys) }
    }

    /// The configuration with the pending key.
    mutating func settled(_ number: Int32, key: [UInt8]) -> Int32 {
        var result = configurations[Int(number)]
        result.branches = result.branches.map { branch in
            guard keys.isPending(branch.keys) else { return branch }
            return Branch(
                state: branch.state, keys: keys.settled(branch.keys, adding: key), stack: branch.stack)
        }
        result.branches.sort(by: Branch.precedes)
        return self.number(of: result)
    }

    /// The number in this table of a configuration of another table for the same automaton.
    mutating func adopt(_ number: Int32, of other: ConfigurationTable) -> Int32 {
        var result = other.configurations[Int(number)]
        var reached: Set<Int32> = []
        var pending = result.branches.map(\.stack)
        while let stack = pending.popLast() {
            if stack > 0, reached.insert(stack).inserted { pending += other.frames[Int(stack) - 1].parents }
        }
        var adopted: [Int32: Int32] = [0: 0]
        // What lies below has the lower number.
        for stack in reached.sorted() {
            let frame = other.frames[Int(stack) - 1]
            adopted[stack] = frameNumber(
                of: Frame(
                    next: frame.next, keys: keys.adopt(frame.keys, of: other.keys),
                    parents: frame.parents.compactMap { adopted[$0] }.sorted(), depth: frame.depth))
        }
        result.branches = result.branches.map { branch in
            Branch(
                state: branch.state, keys: keys.adopt(branch.keys, of: other.keys), stack: adopted[branch.stack] ?? 0)
        }
        result.branches.sort(by: Branch.precedes)
        return self.number(of: result)
    }

    /// How many plain characters a configuration accepts, whichever they are; nil if that is not known.
    func plainRun(of number: Int32) -> PlainRun? {
        var run: PlainRun?
        var hasOthers = false
        for branch in configurations[Int(number)].branches {
            switch automaton.states[Int(branch.state)].role {
            case .stringContent(let remaining):
                run = PlainRun(length: max(remaining, run?.length ?? 0), isLimit: true)
            case .keyContent(isBetweenCharacters: true): run = PlainRun(length: .max, isLimit: true)
            case .stringCharacter: break
            default: hasOthers = true
            }
        }
        if hasOthers { run?.isLimit = false }
        return run
    }
}
