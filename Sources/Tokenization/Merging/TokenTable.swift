/// Byte strings numbered from 0 in one block of memory, and the way back from a string to its number.
///
/// Strings are compared byte by byte. (`String` would take canonically equivalent pieces for the same piece.)
struct TokenTable: Sendable {
    private static let seed = UInt64.random(in: .min ... .max)
    private static let free = UInt64.max

    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// The upper half of the hash, so that few other strings are ever looked at, and the number of the string.
    private var slots: [UInt64] = []
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
        for place in string.indices { bytes.append(string[place]) }
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

    /// Makes a string findable; false when an equal one already is.
    @discardableResult
    mutating func index(_ number: Int) -> Bool {
        if (indexedCount + 1) * 2 > slots.count { resizeSlots(toHold: max(8, indexedCount * 2)) }
        let hash = withString(number) { Self.hash($0) }
        let place = withString(number) { slot(of: $0, hash: hash) }
        guard slots[place] == Self.free else { return false }
        slots[place] = hash & Self.tagMask | UInt64(number)
        indexedCount += 1
        return true
    }

    /// The number of a findable string, or nil. Complexity: O(length).
    func number(of string: Span<UInt8>) -> Int? {
        guard string.count <= longest, indexedCount > 0 else { return nil }
        let found = slots[slot(of: string, hash: Self.hash(string))]
        return found == Self.free ? nil : Int(found & ~Self.tagMask)
    }

    private static let tagMask: UInt64 = 0xFFFF_FFFF_0000_0000

    /// The slot where the string is or would be.
    private func slot(of string: Span<UInt8>, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while slots[place] != Self.free {
            let slot = slots[place]
            if (slot ^ hash) & Self.tagMask == 0, equals(Int(slot & ~Self.tagMask), string) { return place }
            place = (place + 1) & mask
        }
        return place
    }

    private func equals(_ number: Int, _ string: Span<UInt8>) -> Bool {
        let range = range(of: number)
        guard range.count == string.count else { return false }
        for place in string.indices where bytes[range.lowerBound + place] != string[place] { return false }
        return true
    }

    private static func hash(_ string: Span<UInt8>) -> UInt64 {
        var state = seed
        for place in string.indices {
            state = (state ^ UInt64(string[place])) &* 0x9E37_79B9_7F4A_7C15
            state ^= state >> 29
        }
        return state ^ state >> 32
    }

    private mutating func resizeSlots(toHold capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        let present = slots.filter { $0 != Self.free }
        slots = Array(repeating: Self.free, count: size)
        for slot in present {
            let place = withString(Int(slot & ~Self.tagMask)) { self.slot(of: $0, hash: Self.hash($0)) }
            slots[place] = slot
        }
    }
}
