import CKernels
import Storage
import Tensors

/// Encodes tiles of one matrix as q4 or q8 (`formats/blocks.md`).
///
/// A tile is any number of whole rows; it is encoded in groups of 16 rows, the last one padded with zero rows. The
/// bytes depend on the weights, the importance and nothing else: not on the processor, nor on other tiles.
package struct TileQuantizer: Sendable {
    /// An encoded tile.
    package struct Tile: Sendable {
        /// The groups of 16 rows, one after another.
        package let bytes: [UInt8]
        /// The factor of all weights of the tile.
        package let scale: Float
        /// How the decoded rows differ from the originals; padding does not count.
        package let statistics: ErrorStatistics

        package init(bytes: [UInt8], scale: Float, statistics: ErrorStatistics) {
            self.bytes = bytes
            self.scale = scale
            self.statistics = statistics
        }
    }

    /// `.q4` or `.q8`.
    package let encoding: TensorEncoding
    /// The number of weights in a row.
    package let columns: Int
    let kernels: pvit_kernels
    private let importance: [Float]
    private let bytesPerGroup: Int

    /// Prepares for a matrix.
    ///
    /// - Parameters:
    ///   - encoding: `.q4` or `.q8`.
    ///   - columns: The number of weights in a row, a multiple of 32.
    ///   - importance: [columns], the weight of squared errors in each column, in any unit; best is the mean square of
    ///     the activations that the column is multiplied by. nil weights all columns the same.
    /// - Throws: `quantize.shape` when the encoding is not quantized, does not suit `columns`, or `importance` is not
    ///   `columns` finite numbers that are not negative.
    package init(encoding: TensorEncoding, columns: Int, importance: [Float]? = nil) throws {
        try self.init(
            encoding: encoding, columns: columns, importance: importance, kernels: pvit_kernels_best().pointee)
    }

    init(encoding: TensorEncoding, columns: Int, importance: [Float]?, kernels: pvit_kernels) throws {
        bytesPerGroup = try encoding.quantizedGroupByteCount(columns: columns)
        self.encoding = encoding
        self.columns = columns
        self.kernels = kernels
        self.importance = try Self.normalized(importance ?? [Float](repeating: 1, count: columns), columns: columns)
    }

    /// Scales importance to a largest value of 1 and lifts it to 10⁻¹² at least, so that every weight counts.
    private static func normalized(_ importance: [Float], columns: Int) throws -> [Float] {
        guard importance.count == columns, importance.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw PVITError(.cannotQuantize, "the importance of \(columns) columns is not as many finite numbers >= 0")
        }
        guard let largest = importance.max(), largest > 0 else { return [Float](repeating: 1, count: columns) }
        return importance.map { max($0 / largest, 1e-12) }
    }

    /// The largest magnitude among the weights of a tile.
    ///
    /// - Parameters:
    ///   - rows: [rows, columns].
    ///   - columns: The number of weights in a row, a multiple of 32.
    ///   - firstRow: The number of the first row in its matrix, for messages.
    /// - Throws: `quantize.not-finite` naming the first row with a weight that is infinite or not a number;
    ///   `quantize.shape` when `rows` is not a number of whole rows.
    package static func largestMagnitude(of rows: Span<Float>, columns: Int, firstRow: Int = 0) throws -> Float {
        try largestMagnitude(of: rows, columns: columns, firstRow: firstRow, kernels: pvit_kernels_best().pointee)
    }

    static func largestMagnitude(
        of rows: Span<Float>, columns: Int, firstRow: Int, kernels: pvit_kernels
    ) throws -> Float {
        guard columns > 0, columns % 32 == 0, rows.count % columns == 0 else {
            throw PVITError(.cannotQuantize, "\(rows.count) weights are not whole rows of \(columns)")
        }
        var maximum: Float = 0
        let damaged = rows.withUnsafeBufferPointer {
            kernels.scan_rows($0.baseAddress, rows.count / columns, columns, columns, &maximum)
        }
        guard damaged < 0 else {
            throw PVITError(
                .weightNotFinite, "row \(firstRow + damaged) has a number that is infinite or not a number",
                remedy: "the checkpoint is damaged: download or copy it again")
        }
        return maximum
    }

    /// Encodes the rows of one tile.
    ///
    /// - Parameters:
    ///   - rows: [rows, columns], at least one row.
    ///   - largest: Their `largestMagnitude`.
    /// - Throws: `quantize.shape` when `rows` is not a positive number of whole rows.
    package func encode(rows: Span<Float>, largest: Float) throws -> Tile {
        guard !rows.isEmpty, rows.count % columns == 0 else {
            throw PVITError(.cannotQuantize, "\(rows.count) weights are not whole rows of \(columns)")
        }
        let rowCount = rows.count / columns
        let groupCount = (rowCount - 1) / groupRows + 1
        let scale = encoding == .q4 ? pvit_q4_tile_scale(largest) : pvit_q8_tile_scale(largest)
        var sums = pvit_error_sums()
        let encode = encoding == .q4 ? kernels.encode_q4 : kernels.encode_q8
        guard let encode else { throw PVITError(.internalDefect, "there is no encoder for \(encoding)") }
        let bytes = rows.withUnsafeBufferPointer { weights in
            [UInt8](unsafeUninitializedCapacity: groupCount * bytesPerGroup) { groups, count in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: columns * groupRows) { scratch in
                    for group in 0..<groupCount {
                        let first = group * groupRows
                        encode(
                            weights.baseAddress?.advanced(by: first * columns),
                            min(groupRows, rowCount - first), columns, columns, importance, scale,
                            scratch.baseAddress, groups.baseAddress?.advanced(by: group * bytesPerGroup), &sums)
                    }
                }
                count = groupCount * bytesPerGroup
            }
        }
        return Tile(
            bytes: bytes, scale: scale,
            statistics: ErrorStatistics(
                squaredError: sums.squared_error, maximumError: sums.maximum_error, squaredSum: sums.squared_sum,
                count: rows.count))
    }
}

/// The number of rows in a group.
let groupRows = Int(PVIT_GROUP_ROWS)
