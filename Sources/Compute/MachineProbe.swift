import Storage

/// Measures the machine's limits with the threads and the instruction set of an engine. The speed of a model is judged
/// by them.
package final class MachineProbe {
    private let engine: ComputeEngine
    /// Far larger than caches are.
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private static let largestByteCount = 256 << 20
    /// The bytes that one thread reads at a time.
    private static let chunkByteCount = 1 << 20

    /// Takes 256 MiB of memory until it is deinitialized, or half of `budget` if that is less.
    package init(engine: ComputeEngine, budget: ByteCount? = nil) {
        self.engine = engine
        let most = budget.map { Int(clamping: $0.rawValue / 2) } ?? Self.largestByteCount
        byteCount = max(min(most, Self.largestByteCount) / Self.chunkByteCount, 1) * Self.chunkByteCount
        memory = .allocate(byteCount: byteCount, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount)
    }

    deinit { memory.deallocate() }

    /// Reads memory once, in order, on all threads. Returns how many bytes that was.
    package func read() throws -> Double {
        try engine.forEachRange(of: byteCount / Self.chunkByteCount) { chunks, _ in
            for chunk in chunks {
                _ = engine.kernels.read_probe(memory + chunk * Self.chunkByteCount, Self.chunkByteCount)
            }
        }
        return Double(byteCount)
    }

    /// Multiplies 8-bit integers in registers on all threads. Returns how many multiplications and additions that was.
    package func dot() throws -> Double {
        // A run takes about 50 µs with the fastest instructions.
        let (runs, iterations) = (1024, 20_000)
        var operations: UInt64 = 0
        try withUnsafeMutablePointer(to: &operations) { operations in
            try engine.forEachRange(of: runs) { range, _ in
                for run in range {
                    var checksum = UInt32(run)
                    let count = engine.kernels.dot_probe(iterations, &checksum)
                    if run == 0 { operations.pointee = count * UInt64(runs) }
                }
            }
        }
        return Double(operations)
    }

    /// Hands out loops without work to all threads and waits for their end. Returns how many.
    package func loops() throws -> Double {
        let count = 1000
        for _ in 0..<count { try engine.forEachRange(of: 4 * engine.threadCount) { _, _ in } }
        return Double(count)
    }
}
