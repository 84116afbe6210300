import Platform

/// Memory of matrices that are no longer used, kept for the next ones. The operating system clears fresh memory, which
/// takes a tenth of the time of computing large feature maps.
package final class MatrixPool: Sendable {
    private let unused = Lock<[MatrixBlock]>([])

    /// Creates an empty pool.
    package init() {}

    deinit { drain() }

    /// Returns unused memory to the operating system.
    package func drain() {
        unused.withLock { blocks in
            for block in blocks { block.start.deallocate() }
            blocks = []
        }
    }

    /// The smallest block of at least `count` numbers; nil when all have fewer, or more than twice as many.
    func take(_ count: Int) -> MatrixBlock? {
        unused.withLock { blocks in
            let suitable = blocks.indices.filter { count <= blocks[$0].count && blocks[$0].count / 2 <= count }
            return suitable.min { blocks[$0].count < blocks[$1].count }.map { blocks.remove(at: $0) }
        }
    }

    func give(_ block: MatrixBlock) { unused.withLock { $0.append(block) } }
}

/// Room for `count` numbers, owned by whoever holds this.
struct MatrixBlock: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    let count: Int
}

/// The memory that a matrix and parts of it share.
final class MatrixMemory: Sendable {
    private let block: MatrixBlock
    private let pool: MatrixPool?

    var start: UnsafeMutableRawPointer { block.start }

    init(count: Int, pool: MatrixPool?) {
        let count = max(count, 1)
        block =
            pool?.take(count)
            ?? MatrixBlock(
                start: .allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64), count: count)
        self.pool = pool
    }

    deinit {
        if let pool { pool.give(block) } else { block.start.deallocate() }
    }
}
