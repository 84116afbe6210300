import CKernels
import Container

/// Scratch memory of one thread of an engine. It is bounded, whatever the sizes of the operands.
package final class WorkerScratch {
    /// For tiles that have to be decoded.
    package let tile = TileScratch()
    /// For kernels that work on floats: widened weights, running sums of attention.
    package let floats = FloatBuffer()

    /// The left side of a packed product: `[PVIT_PANEL_ROWS, PVIT_PANEL_STRIDE]`.
    let panel = FloatBuffer()
    /// Weights that are packed for this thread alone.
    let packedWeights = FloatBuffer()
    /// Sums of a packed product; about 128 KiB.
    let sums = FloatBuffer()
    /// Decoded rows of weights, before they are packed.
    let rows = FloatBuffer()
    /// Rows of one group that come from several tiles.
    let group = FloatBuffer()
    /// Windows of feature maps as packed integers.
    let windows = PackedBuffer()
    /// A head's packed keys and values, and the scores of some queries.
    let (keys, values, scores) = (FloatBuffer(), FloatBuffer(), FloatBuffer())

    func release() {
        for buffer in [floats, panel, packedWeights, sums, rows, group, keys, values, scores] { buffer.release() }
        windows.release()
    }

    /// Room for the left side of a packed product.
    func panelStart() -> UnsafeMutablePointer<Float> { panel.reserve(Int(PVIT_PANEL_ROWS * PVIT_PANEL_STRIDE)) }
}

/// Room for numbers that grows to the largest request.
package final class FloatBuffer {
    private var memory = Matrix(rows: 1, columns: 0)

    /// Room for `count` uninitialized numbers. Valid until more are reserved.
    package func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
        if memory.stride < count { memory = Matrix(rows: 1, columns: count) }
        return memory.start
    }

    func release() { memory = Matrix(rows: 1, columns: 0) }
}
