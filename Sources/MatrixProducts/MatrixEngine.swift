import CKernels
import Parallelism
import Tensors

/// Float32 arithmetic of models on the threads of a pool.
///
/// One computation at a time: an engine belongs to one thread of its owner's at any moment. Results do not depend on
/// the number of threads, nor on the instruction set.
public final class MatrixEngine {
    /// How many threads compute.
    public var threadCount: Int { pool.threadCount }

    let kernels: FloatKernels
    private let pool: ThreadPool
    private let workers: [WorkerMemory]
    /// The part of a product's right side that is being multiplied by.
    let groups = GrowingFloats()

    /// Starts threads.
    ///
    /// - Parameter threadCount: At least 1.
    public convenience init(threadCount: Int) throws { try self.init(sharing: ThreadPool(threadCount: threadCount)) }

    /// Computes on the threads of a pool that others may use when this engine does not.
    public convenience init(sharing pool: ThreadPool) throws { try self.init(sharing: pool, kernels: FloatKernels()) }

    init(sharing pool: ThreadPool, kernels: FloatKernels) throws {
        self.pool = pool
        self.kernels = kernels
        workers = (0..<pool.threadCount).map { _ in WorkerMemory() }
    }

    /// Calls `body` for each index in `0..<count`, on all threads, each with memory of its own.
    func forEach(_ count: Int, chunk: Int = 1, _ body: (Int, WorkerMemory) throws -> Void) throws {
        try pool.parallelFor(count, chunk: chunk) { range, worker in
            for index in range { try body(index, workers[worker]) }
        }
    }

    /// Calls `body` for parts of `0..<count` on all threads, a few for each thread.
    public func forEachPart(of count: Int, _ body: (Range<Int>) throws -> Void) throws {
        try pool.parallelFor(count, chunk: max(count / (8 * threadCount), 1)) { range, _ in try body(range) }
    }
}
