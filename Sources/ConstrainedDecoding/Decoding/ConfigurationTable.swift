/// The configurations of an automaton that texts have led to, and the steps between them: the automaton made
/// deterministic, as far as it was needed.
///
/// A configuration is the set of all ways to read the text so far. Each way, a branch, is a state and a stack of the
/// states to return to. Branches, stacks and configurations are numbered, so that a known step is one look-up.
struct ConfigurationTable {
    /// A way to read the text so far.
    struct Branch: Hashable {
        let state: StateID
        /// A number of `keys`, for states inside an object that may have further keys.
        let keys: Int32
        let stack: Int32

        static func precedes(_ left: Branch, _ right: Branch) -> Bool {
            (left.state, left.stack, left.keys) < (right.state, right.stack, right.keys)
        }
    }

    /// The top of a stack. Stack 0 is empty.
    struct Frame: Hashable {
        let next: StateID
        let keys: Int32
        let parent: Int32
        /// The number of arrays and objects around the value.
        let depth: Int32
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
        while let branch = closure.pending.popLast() {
            let state = automaton.states[Int(branch.state)]
            let depth = branch.stack == 0 ? 0 : frames[Int(branch.stack) - 1].depth
            guard depth + state.neededDepth <= ByteAutomaton.maximumDepth else { continue }
            var isRead = !state.edges.isEmpty
            if case .stringContent = state.role { isRead = true }
            if isRead { result.branches.append(branch) }
            if state.accepts {
                if branch.stack == 0 {
                    result.accepts = true
                } else {
                    let frame = frames[Int(branch.stack) - 1]
                    closure.add(Branch(state: frame.next, keys: frame.keys, stack: frame.parent))
                }
            }
            for target in state.silent {
                closure.add(Branch(state: target, keys: branch.keys, stack: branch.stack))
            }
            for call in state.calls
            where depth + automaton.states[Int(call.next)].neededDepth <= ByteAutomaton.maximumDepth {
                closure.add(Branch(state: call.callee, keys: 0, stack: stack(for: call, of: branch, depth: depth)))
            }
        }
        guard !result.branches.isEmpty || result.accepts else { return Self.dead }
        result.branches.sort(by: Branch.precedes)
        if result.branches.count > Self.maximumBranchCount {
            result.branches.removeLast(result.branches.count - Self.maximumBranchCount)
        }
        return self.number(of: result)
    }

    private mutating func stack(for call: ByteAutomaton.Call, of branch: Branch, depth: Int32) -> Int32 {
        // Nothing is left to do after the callee.
        if call.next == ByteAutomaton.final, !call.nests { return branch.stack }
        return frameNumber(
            of: Frame(next: call.next, keys: branch.keys, parent: branch.stack, depth: depth + (call.nests ? 1 : 0)))
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
        var adopted: [Int32: Int32] = [0: 0]
        result.branches = result.branches.map { branch in
            var path: [Int32] = []
            var stack = branch.stack
            while adopted[stack] == nil {
                path.append(stack)
                stack = other.frames[Int(stack) - 1].parent
            }
            var parent = adopted[stack] ?? 0
            for stack in path.reversed() {
                let frame = other.frames[Int(stack) - 1]
                parent = frameNumber(
                    of: Frame(
                        next: frame.next, keys: keys.adopt(frame.keys, of: other.keys), parent: parent,
                        depth: frame.depth))
                adopted[stack] = parent
            }
            return Branch(state: branch.state, keys: keys.adopt(branch.keys, of: other.keys), stack: parent)
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
