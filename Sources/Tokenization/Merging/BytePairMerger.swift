/// A vocabulary entry or a character, as merging sees it.
///
/// Numbers below 2³¹ are token ids. A character that is no token of its own is `character` + its scalar value: merges may
/// still consume it, as SentencePiece's do.
typealias Symbol = UInt32

/// Turns a sequence of symbols into tokens by applying merges, the best first and of equals the leftmost: byte-pair
/// encoding (Sennrich et al., arXiv 1508.07909) with the priority queue over linked symbols of SentencePiece.
///
/// Both `sentencepiece` and `tokenizers` are this algorithm: the former ranks a merge by the score of the piece it makes,
/// the latter by its line in the list of merges. Complexity: O(n log n) for n symbols.
struct BytePairMerger: Sendable {
    /// The first symbol that stands for a character and not for a token.
    static let character: Symbol = 0x8000_0000
    /// Parts up to this many symbols are merged by scanning, which beats the queue while all fits a few cache lines.
    private static let scanLimit = 24
    private static let none = UInt64.max

    /// From a pair of symbols to `rank << 32 | merged symbol`.
    private let merges: IntegerTable
    /// The pairs of initial symbols between which some merge can close the gap; nil when any pair may be one.
    private let bridges: IntegerTable?

    /// Creates a merger.
    ///
    /// - Parameters:
    ///   - merges: From `pair(left, right)` to `rank << 32 | merged symbol`.
    ///   - bridges: The pairs (last initial symbol of the left part, first one of the right part) of all merges. Text is cut
    ///     wherever two neighbours are no such pair: no merge can ever reach across.
    init(merges: IntegerTable, bridges: IntegerTable?) {
        self.merges = merges
        self.bridges = bridges
    }

    /// The key of two neighbours.
    static func pair(_ left: Symbol, _ right: Symbol) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

    private func merge(of left: Symbol, _ right: Symbol) -> UInt64 {
        merges.value(of: Self.pair(left, right)) ?? Self.none
    }

    /// Merges `symbols` and appends what remains to `output`.
    func merge(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        guard let bridges else { return mergePart(symbols, scratch: &scratch, into: &output) }
        var start = 0
        for place in symbols.indices {
            let next = place + 1
            if next == symbols.count || !bridges.contains(Self.pair(symbols[place], symbols[next])) {
                mergePart(symbols.extracting(start..<next), scratch: &scratch, into: &output)
                start = next
            }
        }
    }

    private func mergePart(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        switch symbols.count {
        case 0: break
        case 1: output.append(symbols[0])
        case ...Self.scanLimit: mergeByScanning(symbols, scratch: &scratch, into: &output)
        default: mergeByQueue(symbols, scratch: &scratch, into: &output)
        }
    }

    private func mergeByScanning(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.pending.removeAll(keepingCapacity: true)
        for place in symbols.indices {
            scratch.symbols.append(symbols[place])
            scratch.pending.append(
                place + 1 < symbols.count ? merge(of: symbols[place], symbols[place + 1]) : Self.none)
        }
        while true {
            var best = Self.none
            var place = 0
            for candidate in scratch.pending.indices where scratch.pending[candidate] >> 32 < best >> 32 {
                best = scratch.pending[candidate]
                place = candidate
            }
            guard best != Self.none else { break }
            scratch.symbols[place] = Symbol(truncatingIfNeeded: best)
            scratch.symbols.remove(at: place + 1)
            scratch.pending.remove(at: place)
            let last = place + 1 == scratch.symbols.count
            scratch.pending[place] = last ? Self.none : merge(of: scratch.symbols[place], scratch.symbols[place + 1])
            if place > 0 { scratch.pending[place - 1] = merge(of: scratch.symbols[place - 1], scratch.symbols[place]) }
        }
        output.append(contentsOf: scratch.symbols)
    }

    private func mergeByQueue(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        scratch.link(symbols)
        for place in 0..<symbols.count - 1 {
            scratch.queue.append(merge(of: symbols[place], symbols[place + 1]), at: place)
        }
        scratch.queue.order()
        while let candidate = scratch.queue.popFirst() {
            let left = candidate.place
            guard scratch.links[left].isAlive, case let right = Int(scratch.links[left].next), right >= 0 else {
                continue
            }
            // A candidate is out of date when its pair has become another one in the meantime.
            let current = merge(of: scratch.symbols[left], scratch.symbols[right])
            guard current != Self.none, Symbol(truncatingIfNeeded: current) == candidate.merged else { continue }
            scratch.symbols[left] = candidate.merged
            scratch.unlink(right, after: left)
            let previous = Int(scratch.links[left].previous)
            if previous >= 0 {
                scratch.queue.push(merge(of: scratch.symbols[previous], candidate.merged), at: previous)
            }
            let next = Int(scratch.links[left].next)
            if next >= 0 { scratch.queue.push(merge(of: candidate.merged, scratch.symbols[next]), at: left) }
        }
        var place = 0
        while place >= 0 {
            output.append(scratch.symbols[place])
            place = Int(scratch.links[place].next)
        }
    }
}

/// Memory that one call of `BytePairMerger.merge` after the other uses.
struct MergeScratch {
    /// The neighbours of a symbol; -1 for none.
    fileprivate struct Link {
        var previous: Int32
        var next: Int32
        var isAlive = true
    }

    fileprivate var symbols: [Symbol] = []
    fileprivate var pending: [UInt64] = []
    fileprivate var links: [Link] = []
    fileprivate var queue = MergeQueue()

    fileprivate mutating func link(_ symbols: Span<Symbol>) {
        self.symbols.removeAll(keepingCapacity: true)
        links.removeAll(keepingCapacity: true)
        queue.removeAll()
        for place in symbols.indices {
            self.symbols.append(symbols[place])
            let next = place + 1 < symbols.count ? place + 1 : -1
            links.append(Link(previous: Int32(truncatingIfNeeded: place - 1), next: Int32(truncatingIfNeeded: next)))
        }
    }

    fileprivate mutating func unlink(_ right: Int, after left: Int) {
        let next = links[right].next
        links[left].next = next
        if next >= 0 { links[Int(next)].previous = Int32(truncatingIfNeeded: left) }
        links[right].isAlive = false
    }
}

/// A binary heap of possible merges: lowest rank first, then leftmost.
private struct MergeQueue {
    struct Candidate {
        /// `rank << 32 | place`.
        var order: UInt64
        var merged: Symbol
        var place: Int { Int(order & 0xFFFF_FFFF) }
    }

    private var heap: [Candidate] = []

    mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

    /// Adds without keeping the order, which `order()` then makes. `merge` is `rank << 32 | merged symbol` or all ones.
    mutating func append(_ merge: UInt64, at place: Int) {
        guard merge != .max else { return }
        heap.append(Candidate(order: (merge >> 32) << 32 | UInt64(place), merged: Symbol(truncatingIfNeeded: merge)))
    }

    mutating func order() {
        for place in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(from: place) }
    }

    mutating func push(_ merge: UInt64, at place: Int) {
        guard merge != .max else { return }
        append(merge, at: place)
        var child = heap.count - 1
        let candidate = heap[child]
        while child > 0 {
            let parent = (child - 1) / 2
            guard candidate.order < heap[parent].order else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = candidate
    }

    mutating func popFirst() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink(from: 0)
        }
        return first
    }

    private mutating func sink(from start: Int) {
        var parent = start
        let candidate = heap[parent]
        while true {
            var child = parent * 2 + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].order < heap[child].order { child += 1 }
            guard heap[child].order < candidate.order else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = candidate
    }
}
