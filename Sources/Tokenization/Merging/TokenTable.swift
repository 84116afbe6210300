/// Byte strings numbered from 0 in one block of memory, and the way back from a string to its number.
///
/// Strings are compared byte by byte. (`String` would take canonically equivalent pieces for the same piece.)
struct TokenTable: Sendable {
    private static let seed = UInt64.random(in: .min ... .max)
    private static let free = UInt32.max

    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// Some bits of the hash, so that few other strings are ever looked at, and the number of the string: small, since
    /// the slots are looked at in no order and should stay in the cache.
    private var slots: [UInt32] = []
    private var indexedCount = 0
    /// The length of the longest string, in bytes.
    private(set) var longest = 0

    /// The number of strings.
    var count: Int { ends.count }

    /// Creates an empty table with room for `capacity` strings.
    init(capacity: Int = 0) {
        ends.reserveCapacity(capacity)
        bytes.reserveCapacity(capacity * 8)
        resizeSlots(toHold: capacity)
    }

    /// Appends a string without making it findable; returns its number.
    @discardableResult
    mutating func append(_ string: Span<UInt8>) -> Int {
        string.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
        longest = max(longest, string.count)
        return ends.count - 1
    }

    /// The place in memory of a string.
    func range(of number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

    /// A string's bytes.
    subscript(number: Int) -> ArraySlice<UInt8> { bytes[range(of: number)] }

    /// Calls `body` with a string's bytes.
    func withString<Result>(_ number: Int, _ body: (Span<UInt8>) throws -> Result) rethrows -> Result {
        try body(bytes.span.extracting(range(of: number)))
    }

    /// Makes a string, one of the first `TokenizerLimits.vocabularyCount`, findable; false when an equal one already
    /// is.
    @discardableResult
    mutating func index(_ number: Int) -> Bool {
        if (indexedCount + 1) * 2 > slots.count { resizeSlots(toHold: max(8, indexedCount * 2)) }
        let hash = withString(number) { Self.hash($0) }
        let place = withString(number) { slot(of: $0, hash: hash) }
        guard slots[place] == Self.free else { return false }
        slots[place] = Self.tag(hash) | UInt32(number)
        indexedCount += 1
        return true
    }

    /// The number of a findable string, or nil. Complexity: O(length).
    func number(of string: Span<UInt8>) -> Int? {
        guard string.count <= longest, indexedCount > 0 else { return nil }
        let found = slots[slot(of: string, hash: Self.hash(string))]
        return found == Self.free ? nil : Int(found & Self.numberMask)
    }

    /// The same, for a string that often is number `guess`: then nothing is hashed, as long as all strings are
    /// findable.
    func number(of string: Span<UInt8>, guess: Int) -> Int? {
        if indexedCount == ends.count, guess < ends.count, equals(guess, string) { return guess }
        return number(of: string)
    }

    private static let numberMask = UInt32(TokenizerLimits.vocabularyCount - 1)

    /// Never all ones, so that no slot in use looks free.
    private static func tag(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash >> 32) & ~numberMask & 0x7FFF_FFFF
    }

    /// The slot where the string is or would be.
    private func slot(of string: Span<UInt8>, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        let tag = Self.tag(hash)
        while slots[place] != Self.free {
            let slot = slots[place]
            if slot & ~Self.numberMask == tag, equals(Int(slot & Self.numberMask), string) { return place }
            place = (place + 1) & mask
        }
        return place
    }

    private func equals(_ number: Int, _ string: Span<UInt8>) -> Bool {
        let range = range(of: number)
        guard range.count == string.count else { return false }
        let known = bytes.span.extracting(range)
        return known.withUnsafeBufferPointer { known in
            string.withUnsafeBufferPointer { other in
                for place in 0..<known.count where known[place] != other[place] { return false }
                return true
            }
        }
    }

    /// Eight bytes at a time: opening a model hashes each token once, and most merges three times.
    private static func hash(_ string: Span<UInt8>) -> UInt64 {
        string.withUnsafeBytes { bytes in
            var state = mix(seed ^ UInt64(bytes.count))
            var place = 0
            while place + 8 <= bytes.count {
                state = mix(state ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                place += 8
            }
            // The rest, some of its bytes twice; the length is in the state already.
            let last = bytes.count - 1
            switch bytes.count - place {
            case 0: break
            case 1...3:
                let middle = UInt64(bytes[(place + bytes.count) / 2]) << 8
                state = mix(state ^ (UInt64(bytes[place]) | middle | UInt64(bytes[last]) << 16))
            default:
                let low = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
                let high = bytes.loadUnaligned(fromByteOffset: last - 3, as: UInt32.self)
                state = mix(state ^ (UInt64(low) | UInt64(high) << 32))
            }
            return state
        }
    }

    private static func mix(_ state: UInt64) -> UInt64 {
        let product = state.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// The same strings numbered anew: the first string of the result is number `order[0]` of this table, and so on.
    ///
    /// - Parameter order: Every number of this table once.
    func reordered(_ order: [Int]) -> TokenTable {
        if order.indices.allSatisfy({ order[$0] == $0 }) { return self }
        var result = TokenTable()
        result.bytes.reserveCapacity(bytes.count)
        result.ends.reserveCapacity(ends.count)
        var places = Array(repeating: UInt32(0), count: order.count)
        for (place, number) in order.enumerated() {
            withString(number) { _ = result.append($0) }
            places[number] = UInt32(place)
        }
        result.slots = slots.map { $0 == Self.free ? $0 : $0 & ~Self.numberMask | places[Int($0 & Self.numberMask)] }
        result.indexedCount = indexedCount
        return result
    }

    private mutating func resizeSlots(toHold capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        let present = slots.filter { $0 != Self.free }
        slots = Array(repeating: Self.free, count: size)
        for slot in present {
            let place = withString(Int(slot & Self.numberMask)) { self.slot(of: $0, hash: Self.hash($0)) }
            slots[place] = slot
        }
    }
}
