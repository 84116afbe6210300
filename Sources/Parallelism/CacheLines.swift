/// Memory that one value has for itself: on no cache line of its memory lies anything else. What one thread writes
/// there slows down no thread that uses another value.
///
/// 128 bytes, because processors fetch pairs of lines of 64.
struct CacheLines<Value: ~Copyable>: @unchecked Sendable {
    /// Where the values are. They are shared by all copies.
    private let start: UnsafeMutableRawPointer
    private let count: Int
    private let stride: Int

    /// Allocates memory for `count` values. The owner calls `deallocate` in the end.
    init(count: Int = 1, _ makeValue: () -> Value) {
        self.count = count
        stride = (MemoryLayout<Value>.size + 127) / 128 * 128
        start = .allocate(byteCount: count * stride, alignment: 128)
        for index in 0..<count {
            (start + index * stride).bindMemory(to: Value.self, capacity: 1).initialize(to: makeValue())
        }
    }

    /// The address of a value.
    subscript(index: Int) -> UnsafeMutablePointer<Value> {
        (start + index * stride).assumingMemoryBound(to: Value.self)
    }

    func deallocate() {
        for index in 0..<count { self[index].deinitialize(count: 1) }
        start.deallocate()
    }
}
