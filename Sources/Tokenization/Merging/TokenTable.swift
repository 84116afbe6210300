/// Byte strings, numbered from 0, in one block of memory, with a hash table from strings to numbers.
///
/// Strings are compared byte by byte. (`String` considers canonically equivalent pieces equal.)
struct TokenTable: Sendable {
    private static let seed = UInt64.random(in: .min ... .max)
    private static let free = UInt32.max

    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// Some bits of the hash, so that few other strings are compared, and the number of the string. Slots are small so
    /// that they stay in the cache.
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

    /// Appends a string and returns its number. The string cannot be found before `index(_:)`.
    @discardableResult
    mutating func append(_ string: Span<UInt8>) -> Int {
        unsafe string.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
        longest = max(longest, string.count)
        return ends.count - 1
    }

    /// The range of a string in the block of memory.
    func range(of number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

    /// A string's bytes.
    subscript(number: Int) -> ArraySlice<UInt8> { bytes[range(of: number)] }

    /// Calls `body` with a string's bytes.
    func withString<Result>(_ number: Int, _ body: (Span<UInt8>) throws -> Result) rethrows -> Result {
        try body(bytes.span.extracting(range(of: number)))
    }

    /// Adds a string to the hash table. Returns false if an equal one is already there.
    ///
    /// - Parameter number: Below `TokenizerLimits.vocabularyCount`.
    @discardableResult
    mutating func index(_ number: Int) -> Bool {
        if (indexedCount + 1) * 2 > slots.count { resizeSlots(toHold: max(8, indexedCount * 2)) }
        let hash = withString(number) { Self.hash($0) }
        let position = withString(number) { slot(of: $0, hash: hash) }
        guard slots[position] == Self.free else { return false }
        slots[position] = Self.tag(hash) | UInt32(number)
        indexedCount += 1
        return true
    }

    /// The number of a string, or nil if it is not in the hash table. Complexity: O(length).
    func number(of string: Span<UInt8>) -> Int? {
        guard string.count <= longest, indexedCount > 0 else { return nil }
        let found = slots[slot(of: string, hash: Self.hash(string))]
        return found == Self.free ? nil : Int(found & Self.numberMask)
    }

    /// The number of a string that probably is `guess`. If so, and if all strings are in the hash table, nothing is
    /// hashed.
    func number(of string: Span<UInt8>, guess: Int) -> Int? {
        if indexedCount == ends.count, guess < ends.count, equals(guess, string) { return guess }
        return number(of: string)
    }

    private static let numberMask = UInt32(TokenizerLimits.vocabularyCount - 1)

    /// Never all ones, so that a slot in use differs from a free one.
    private static func tag(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash >> 32) & ~numberMask & 0x7FFF_FFFF
    }

    /// The slot of a string, in use or free.
    private func slot(of string: Span<UInt8>, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var position = Int(truncatingIfNeeded: hash) & mask
        let tag = Self.tag(hash)
        while slots[position] != Self.free {
            let slot = slots[position]
            if slot & ~Self.numberMask == tag, equals(Int(slot & Self.numberMask), string) { return position }
            position = (position + 1) & mask
        }
        return position
    }

    private func equals(_ number: Int, _ string: Span<UInt8>) -> Bool {
        let range = range(of: number)
        guard range.count == string.count else { return false }
        let known = bytes.span.extracting(range)
        // Both have the same count, so that the loop need not check it for each byte.
        return unsafe known.withUnsafeBufferPointer { known in
            unsafe string.withUnsafeBufferPointer { other in
                for position in 0..<known.count where unsafe known[position] != other[position] { return false }
                return true
            }
        }
    }

    /// Hashes eight bytes at a time. Opening a model hashes each token once, and most merges three times.
    private static func hash(_ string: Span<UInt8>) -> UInt64 {
        unsafe string.withUnsafeBytes { bytes in
            var state = mix(seed ^ UInt64(bytes.count))
            var position = 0
            while position + 8 <= bytes.count {
                state = unsafe mix(state ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                position += 8
            }
            // The rest. Some bytes are read twice, which is safe because the length is part of the state.
            let last = bytes.count - 1
            switch bytes.count - position {
            case 0: break
            case 1...3:
                let middle = unsafe UInt64(bytes[(position + bytes.count) / 2]) << 8
                state = unsafe mix(state ^ (UInt64(bytes[position]) | middle | UInt64(bytes[last]) << 16))
            default:
                let low = unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                let high = unsafe bytes.loadUnaligned(fromByteOffset: last - 3, as: UInt32.self)
                state = mix(state ^ (UInt64(low) | UInt64(high) << 32))
            }
            return state
        }
    }

    private static func mix(_ state: UInt64) -> UInt64 {
        let product = state.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// The same strings in another order: string `i` of the result is string `order[i]` of this table.
    ///
    /// - Parameter order: Every number of this table once.
    func reordered(_ order: [Int]) -> TokenTable {
        if order.indices.allSatisfy({ order[$0] == $0 }) { return self }
        var result = TokenTable()
        result.bytes.reserveCapacity(bytes.count)
        result.ends.reserveCapacity(ends.count)
        var positions = Array(repeating: UInt32(0), count: order.count)
        for (position, number) in order.enumerated() {
            withString(number) { _ = result.append($0) }
            positions[number] = UInt32(position)
        }
        result.slots = slots.map { $0 == Self.free ? $0 : $0 & ~Self.numberMask | positions[Int($0 & Self.numberMask)] }
        result.indexedCount = indexedCount
        return result
    }

    private mutating func resizeSlots(toHold capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        let present = slots.filter { $0 != Self.free }
        slots = Array(repeating: Self.free, count: size)
        for slot in present {
            let position = withString(Int(slot & Self.numberMask)) { self.slot(of: $0, hash: Self.hash($0)) }
            slots[position] = slot
        }
    }
}
