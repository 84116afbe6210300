import Tensors

/// Finds what the machine can do at most with the threads and the instruction set of an engine: what the speed of a
/// model is judged by.
public final class MachineProbe {
    private let engine: ComputeEngine
    /// Far larger than caches are.
    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private static let largestByteCount = 256 << 20
    /// What one thread reads at a time.
    private static let pieceByteCount = 1 << 20

    /// Takes 256 MiB of memory until it is deinitialized, or half of `budget` if that is less.
    public init(engine: ComputeEngine, budget: ByteCount? = nil) {
        self.engine = engine
        let most = budget.map { Int(clamping: $0.rawValue / 2) } ?? Self.largestByteCount
        byteCount = max(min(most, Self.largestByteCount) / Self.pieceByteCount, 1) * Self.pieceByteCount
        memory = .allocate(byteCount: byteCount, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount)
    }

    deinit { memory.deallocate() }

    /// Reads memory once, in order, on all threads. Returns how many bytes that was.
    public func read() throws -> Double {
        try engine.forEach(byteCount / Self.pieceByteCount) { pieces, _ in
            for piece in pieces {
                _ = engine.kernels.readProbe(memory + piece * Self.pieceByteCount, Self.pieceByteCount)
            }
        }
        return Double(byteCount)
    }

    /// Multiplies 8-bit integers in registers on all threads. Returns how many multiplications and additions that was.
    public func dot() throws -> Double {
        // A piece takes some 50 µs with the fastest instructions.
        let (pieces, iterations) = (1024, 20_000)
        var operations: UInt64 = 0
        try withUnsafeMutablePointer(to: &operations) { operations in
            try engine.forEach(pieces) { range, _ in
                for piece in range {
                    var checksum = UInt32(piece)
                    let count = engine.kernels.dotProbe(iterations, &checksum)
                    if piece == 0 { operations.pointee = count * UInt64(pieces) }
                }
            }
        }
        return Double(operations)
    }
}
