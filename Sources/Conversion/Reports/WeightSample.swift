import Container
import Quantization
import Storage
import Tensors

/// How weights of some matrices lie beside the codebook of q4, judged by a sample of their rows.
///
/// Of matrices in q4, the stored codes are counted. Others give a histogram of their weights relative to the largest in
/// each block, which shows how q4 would fit.
package struct WeightSample: Sendable, Hashable {
    /// The stored codes of matrices in q4.
    package private(set) var codes = Q4CodeCounts()
    /// The weights of other matrices.
    package private(set) var blocks = BlockHistogram()
    /// The number of weights that were read.
    package private(set) var sampledCount = 0
    /// The number of weights of the matrices.
    package private(set) var totalCount = 0

    /// How many weights of all matrices of a model are read by default.
    package static let defaultLimit = 1 << 26
    /// The rows that are read of a matrix lie in this many ranges, spread evenly.
    private static let rangeCount = 4
    /// Matrices with longer rows are left out, so that memory stays small.
    private static let longestRow = 1 << 22

    /// Creates a sample of nothing.
    package init() {}

    /// Whether a tensor can be sampled: a matrix, or a stack of convolution kernels, of floating-point numbers.
    package static func covers(_ tensor: TensorDescription) -> Bool {
        switch tensor.elementType {
        case .f16, .bf16, .f32:
            tensor.shape.rank >= 2 && tensor.shape.elementCount > 0 && tensor.shape.elementsPerRow <= longestRow
        case .f64, .i64, .i32, .i16, .i8, .u8, .bool: false
        }
    }

    /// Adds rows of a tensor that `covers` accepts.
    ///
    /// - Parameters:
    ///   - source: A `ContainerSource`, whose codes are counted as they are stored, or any other source.
    ///   - limit: About how many weights to read. At least one row is read, or 16 of a matrix in q4.
    /// - Throws: What reading throws.
    package mutating func add(_ tensor: TensorDescription, in source: any TensorSource, limit: Int) throws {
        let columns = tensor.shape.elementsPerRow
        let container = source as? ContainerSource
        let stored = container?.storedTensors[tensor.name]
        let ranges = Self.ranges(
            of: tensor.shape.rows, count: limit / columns, multiple: stored?.encoding.rowsPerGroup ?? 1)
        for rows in ranges {
            if let container, let stored, stored.encoding == .q4 {
                try addCodes(rows, of: stored, in: container)
            } else {
                let weights = try FloatVectors.floats(of: source, tensor, rows: rows)
                blocks.add(rows: weights.span, columns: columns)
            }
            sampledCount += rows.count * columns
        }
        totalCount += tensor.shape.elementCount
    }

    private mutating func addCodes(_ rows: Range<Int>, of stored: StoredTensor, in container: ContainerSource) throws {
        try container.withTiles(of: rows, in: stored) { content, tile, shared in
            let first = tile.rows.lowerBound
            let rowsInTile = shared.lowerBound - first..<shared.upperBound - first
            try codes.add(rowsInTile, of: content, columns: stored.shape.elementsPerRow)
        }
    }

    /// Ranges of rows that begin at multiples of `multiple` and have about `count` rows together, evenly spread over
    /// `0..<total`; all rows if there are no more.
    static func ranges(of total: Int, count: Int, multiple: Int) -> [Range<Int>] {
        guard total > 0 else { return [] }
        guard count < total else { return [0..<total] }
        let units = (total - 1) / multiple + 1
        let wanted = max(1, min(count / multiple, units))
        let rangeCount = min(Self.rangeCount, wanted)
        return (0..<rangeCount).map { index in
            let length = wanted * (index + 1) / rangeCount - wanted * index / rangeCount
            // The middle of the index-th of `rangeCount` equal stretches.
            let start = min(max(units * (2 * index + 1) / (2 * rangeCount) - length / 2, 0), units - length)
            return start * multiple..<min((start + length) * multiple, total)
        }
    }
}
