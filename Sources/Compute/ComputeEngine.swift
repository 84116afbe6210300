import CKernels
import Container
import Parallelism

/// Runs the arithmetic of models: the kernels of one instruction set on the threads of a pool.
///
/// An engine runs one computation at a time: only one thread of the program may use it at any moment.
package final class ComputeEngine {
    /// How many threads compute.
    package var threadCount: Int { pool.threadCount }

    /// The instruction set that its kernels use.
    package let instructionSet: InstructionSet

    /// The kernels of the instruction set.
    package let kernels: pvit_kernels
    private let pool: ThreadPool
    private let workers: [Unmanaged<WorkerScratch>]
    /// Packed weights that all threads multiply by.
    let packedWeights = FloatBuffer()
    /// The pixels that all threads gather windows of.
    let widePixels = WideBuffer()

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threadCount: At least 1.
    ///   - instructionSet: nil for the best that the machine supports.
    ///   - checkpoint: Called before each loop that threads share. What it throws ends the computation.
    /// - Throws: `kernels.unsupported`.
    package init(
        threadCount: Int, instructionSet: InstructionSet? = nil, checkpoint: @escaping @Sendable () throws -> Void = {}
    ) throws {
        (self.instructionSet, kernels) = try InstructionSet.kernels(instructionSet)
        pool = ThreadPool(threadCount: threadCount, checkpoint: checkpoint)
        workers = (0..<pool.threadCount).map { _ in Unmanaged.passRetained(WorkerScratch()) }
    }

    deinit {
        for worker in workers { worker.release() }
    }

    /// The most that the threads allocate for a decoder: two decoded tiles each if there are compressed ones, and rows
    /// of float matrices as float32, which are a tile of 16-bit floats at most.
    package static func scratchByteCount(
        threadCount: Int, hasFloatWeights: Bool, hasCompressedWeights: Bool
    ) -> Int {
        threadCount
            * ((hasCompressedWeights ? 2 * TileLayout.targetByteCount : 0) + (hasFloatWeights ? 2 << 20 : 1 << 20))
    }

    /// Frees the threads' scratch memory, which otherwise stays allocated for the next computation.
    package func releaseScratch() {
        for worker in workers { worker._withUnsafeGuaranteedRef { $0.release() } }
        packedWeights.release()
        widePixels.release()
    }

    /// Calls `body` for ranges that cover `0..<count`, on all threads, each with scratch memory of its own.
    package func forEachRange(
        of count: Int, chunk: Int = 1, order: LoopOrder = .neighbours,
        _ body: (Range<Int>, WorkerScratch) throws -> Void
    ) throws {
        // No reference is counted for each range: counting would cost threads as much as a small range.
        try workers.withUnsafeBufferPointer { workers in
            try pool.parallelFor(count, chunk: chunk, order: order) { range, worker in
                try workers[worker]._withUnsafeGuaranteedRef { try body(range, $0) }
            }
        }
    }

    /// Calls `body` for ranges that cover `0..<count`: on this thread alone if the work is too small to share,
    /// otherwise on all threads.
    ///
    /// - Parameter operations: An estimate of the floating-point operations for one index.
    package func forEachRange(
        of count: Int, operations: Int, _ body: (Range<Int>, WorkerScratch) throws -> Void
    ) throws {
        // Waking and joining the threads costs about as much as 50,000 operations.
        guard count * operations > 100_000 else {
            return try workers[0]._withUnsafeGuaranteedRef { try body(0..<count, $0) }
        }
        try forEachRange(
            of: count, chunk: max(1, min(count / (4 * threadCount), 100_000 / max(operations, 1))), body)
    }

    /// Calls `body` for each task in `0..<count`, on all threads, which take the tasks in ascending order.
    package func forEachTask(_ count: Int, _ body: (Int, WorkerScratch) throws -> Void) throws {
        try forEachRange(of: count, order: .ascending) { range, scratch in
            for task in range { try body(task, scratch) }
        }
    }
}
