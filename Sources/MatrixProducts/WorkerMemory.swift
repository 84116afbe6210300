import CKernels
import Container

/// Memory of one thread of an engine; bounded, whatever the sizes of products.
final class WorkerMemory {
    /// The left side of a product: `[PVIT_PANEL_ROWS, PVIT_PANEL_STRIDE]`.
    let panel = FloatMatrix(rows: Int(PVIT_PANEL_ROWS), columns: Int(PVIT_PANEL_STRIDE))
    /// Weights that no other thread multiplies by.
    let groups = GrowingFloats()
    /// Sums that are not finished; about 128 KiB.
    let sums = GrowingFloats()
    /// Rows of weights on their way into groups.
    let rows = GrowingFloats()
    /// Rows of one group from several tiles.
    let group = GrowingFloats()
    /// For attention: a head's keys and values, and scores.
    let (keys, values, scores) = (GrowingFloats(), GrowingFloats(), GrowingFloats())
    let tile = TileScratch()
}

/// Numbers whose content is anything, as many as were ever asked for.
final class GrowingFloats {
    private var memory = FloatMatrix(rows: 1, columns: 0)

    /// Room for `count` numbers, which lasts until more are asked for.
    func grow(to count: Int) -> UnsafeMutablePointer<Float> {
        if memory.stride < count { memory = FloatMatrix(rows: 1, columns: count) }
        return memory.start
    }
}
