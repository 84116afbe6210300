/// A hash table from integers to integers: open addressing, linear probing, at most half full.
///
/// The hash has a random seed in each process, so that no file can be built whose keys all collide. Results do not
/// depend on the order of the slots.
struct IntegerTable: Sendable {
    private struct Slot {
        var key: UInt64
        var value: UInt64
    }

    /// Marks a free slot; not a valid key.
    private static let free = UInt64.max
    private static let seed = UInt64.random(in: .min ... .max)

    private var slots: [Slot]
    private var mask: Int
    /// The number of keys.
    private(set) var count = 0

    /// Creates a table with room for `capacity` keys.
    init(capacity: Int = 8) {
        let size = Self.size(for: capacity)
        slots = Array(repeating: Slot(key: Self.free, value: 0), count: size)
        mask = size - 1
    }

    private static func size(for capacity: Int) -> Int {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        return size
    }

    private static func hash(_ key: UInt64) -> Int {
        let product = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low)
    }

    /// The value of a key, or nil. Complexity: O(1) on average.
    func value(of key: UInt64) -> UInt64? {
        var position = Self.hash(key) & mask
        while true {
            let slot = slots[position]
            if slot.key == key { return slot.value }
            if slot.key == Self.free { return nil }
            position = (position + 1) & mask
        }
    }

    /// Sets the value of a key, which must not be `UInt64.max`. Complexity: O(1) amortised.
    mutating func set(_ key: UInt64, to value: UInt64) {
        precondition(key != Self.free)
        if (count + 1) * 2 > slots.count { grow() }
        var position = Self.hash(key) & mask
        while slots[position].key != Self.free {
            if slots[position].key == key {
                slots[position].value = value
                return
            }
            position = (position + 1) & mask
        }
        slots[position] = Slot(key: key, value: value)
        count += 1
    }

    private mutating func grow() {
        var larger = IntegerTable(capacity: slots.count)
        for slot in slots where slot.key != Self.free { larger.set(slot.key, to: slot.value) }
        self = larger
    }
}
