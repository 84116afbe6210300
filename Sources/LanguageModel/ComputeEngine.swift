import Architectures
import Container
import Parallelism
import Tensors

/// Runs the arithmetic of models: the kernels of one instruction set on the threads of a pool.
///
/// One computation at a time: an engine belongs to one thread of its owner's at any moment.
public final class ComputeEngine {
    /// The name of the instruction set.
    public var kernelName: String { kernels.name }
    /// How many threads compute.
    public var threadCount: Int { pool.threadCount }

    /// The threads. Others may use them while this engine does not.
    public let pool: ThreadPool

    let kernels: Kernels
    private let scratch: [WorkerScratch]

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threadCount: At least 1.
    ///   - instructionSet: nil for the best that the machine supports.
    ///   - checkpoint: Called before each loop that threads share; what it throws ends the computation.
    /// - Throws: `kernels.unsupported`.
    public init(
        threadCount: Int, instructionSet: InstructionSet? = nil, checkpoint: @escaping @Sendable () throws -> Void = {}
    ) throws {
        kernels = try Kernels(instructionSet)
        pool = ThreadPool(threadCount: threadCount, checkpoint: checkpoint)
        scratch = (0..<pool.threadCount).map { _ in WorkerScratch() }
    }

    /// What the threads allocate for themselves: two decoded tiles, and rows of float matrices as float32.
    static func scratchByteCount(
        _ configuration: LlamaConfiguration, threadCount: Int, hasFloatWeights: Bool
    ) -> Int {
        threadCount * (2 * TileLayout.targetByteCount + (hasFloatWeights ? 8 << 20 : 1 << 20))
    }

    /// Calls `body` for ranges that cover `0..<count`, on all threads, each with scratch memory of its own.
    func forEach(
        _ count: Int, chunk: Int = 1, order: LoopOrder = .neighbours,
        _ body: (Range<Int>, WorkerScratch) throws -> Void
    ) throws {
        try pool.parallelFor(count, chunk: chunk, order: order) { range, worker in try body(range, scratch[worker]) }
    }

    /// Calls `body` once for all on this thread when the work is too small to share, otherwise as the other `forEach`.
    ///
    /// - Parameter operations: An estimate of the floating-point operations for one index.
    func forEach(
        _ count: Int, operations: Int, _ body: (Range<Int>, WorkerScratch) throws -> Void
    ) throws {
        // Waking and joining the threads costs about as much as 50,000 operations.
        guard count * operations > 100_000 else { return try body(0..<count, scratch[0]) }
        try forEach(count, chunk: max(1, min(count / (4 * threadCount), 100_000 / max(operations, 1)))) {
            try body($0, $1)
        }
    }
}

/// Memory of one thread of an engine.
final class WorkerScratch {
    let tile = TileScratch()
    private var values = ActivationMatrix(capacity: 0, columns: 1)

    /// At least `count` numbers, whose content is anything, until the next call.
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        if values.capacity * values.stride < count {
            values = ActivationMatrix(capacity: (count + 15) / 16, columns: 16)
        }
        return values.start
    }
}
