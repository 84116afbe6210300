/// The keys that objects have already, and how far the next key has been read.
///
/// Contexts are numbered, so that they can be compared at once. Number 0 stands for no context.
struct KeyTable {
    /// What is known of the keys of an object.
    struct Context: Hashable {
        enum Phase: Hashable {
            /// All keys of the object are in the set.
            case settled
            /// A key is being read. Its first `length` characters are those of the set's keys in `candidates`; if there
            /// are none, it differs from all of them.
            case reading(length: Int, candidates: Range<Int>)
            /// A key was read that differs from those of the set and is not in it yet.
            case pending
        }

        var set: Int32
        var phase: Phase
    }

    /// The keys of each set, sorted.
    private var sets: [[[UInt8]]]
    private var setNumbers: [[[UInt8]]: Int32] = [:]
    private var contexts: [Context] = []
    private var contextNumbers: [Context: Int32] = [:]

    /// Creates a table whose first sets are the declared keys of an automaton.
    init(declaredKeys: [[[UInt8]]]) { sets = declaredKeys }

    /// The approximate number of bytes in memory.
    private(set) var byteCount = 0

    /// The context after the opening quotation mark of a key; nil if a key is pending.
    mutating func opened(_ number: Int32, declared: Int32) -> Int32? {
        guard number > 0 else { return begin(declared) }
        let context = contexts[Int(number) - 1]
        return context.phase == .settled ? begin(context.set) : nil
    }

    private mutating func begin(_ set: Int32) -> Int32 {
        let candidates = sets[Int(set)].indices
        return self.number(of: Context(set: set, phase: .reading(length: 0, candidates: candidates)))
    }

    /// The context after one more byte of a key.
    mutating func advanced(_ number: Int32, by byte: UInt8) -> Int32 {
        let context = contexts[Int(number) - 1]
        guard case .reading(let length, let candidates) = context.phase, !candidates.isEmpty else { return number }
        let keys = sets[Int(context.set)]
        func matches(_ index: Int) -> Bool { keys[index].count > length && keys[index][length] == byte }
        let first = candidates.first(where: matches)
        let last = candidates.last(where: matches)
        let phase: Context.Phase =
            if let first, let last {
                .reading(length: length + 1, candidates: first..<last + 1)
            } else {
                .reading(length: 0, candidates: 0..<0)
            }
        return self.number(of: Context(set: context.set, phase: phase))
    }

    /// The context after the closing quotation mark of a key; nil if the object has that key already.
    mutating func closed(_ number: Int32) -> Int32? {
        let context = contexts[Int(number) - 1]
        guard case .reading(let length, let candidates) = context.phase else { return nil }
        // The shortest of the keys with a common start is the first one.
        if let first = candidates.first, sets[Int(context.set)][first].count == length { return nil }
        return self.number(of: Context(set: context.set, phase: .pending))
    }

    /// Whether a context waits for its last key.
    func isPending(_ number: Int32) -> Bool { number > 0 && contexts[Int(number) - 1].phase == .pending }

    /// The context with its last key, which was pending.
    mutating func settled(_ number: Int32, adding key: [UInt8]) -> Int32 {
        var keys = sets[Int(contexts[Int(number) - 1].set)]
        let index = keys.firstIndex { key.lexicographicallyPrecedes($0) } ?? keys.count
        keys.insert(key, at: index)
        return self.number(of: Context(set: setNumber(of: keys), phase: .settled))
    }

    /// The number in this table of a context of another table.
    mutating func adopt(_ number: Int32, of other: KeyTable) -> Int32 {
        guard number > 0 else { return 0 }
        let context = other.contexts[Int(number) - 1]
        return self.number(of: Context(set: setNumber(of: other.sets[Int(context.set)]), phase: context.phase))
    }

    private mutating func setNumber(of keys: [[UInt8]]) -> Int32 {
        if let known = setNumbers[keys] { return known }
        sets.append(keys)
        byteCount += 64 + 16 * keys.count
        let number = Int32(sets.count - 1)
        setNumbers[keys] = number
        return number
    }

    private mutating func number(of context: Context) -> Int32 {
        if let known = contextNumbers[context] { return known }
        contexts.append(context)
        byteCount += 128
        contextNumbers[context] = Int32(contexts.count)
        return Int32(contexts.count)
    }
}
