import Checkpoints
import Container
import Quantization
import Storage
import Tensors

/// A tile that is ready to be appended to a container.
struct FinishedTile: Sendable {
    let content: [UInt8]
    let encoded: EncodedTile
    let statistics: ErrorStatistics
}

/// The bytes of a tile before they are compressed.
private struct Content {
    let bytes: [UInt8]
    let scale: Float
    let statistics: ErrorStatistics
}

/// Turns rows of a source into tiles of a container. Each thread has its own producer, which reuses memory.
struct TileProducer {
    private let source: any TensorSource
    private let importance: ColumnImportance
    private var sourceBytes: [UInt8] = []
    private var originals: [Float] = []
    private var decoded: [Float] = []

    init(source: any TensorSource, importance: ColumnImportance) {
        self.source = source
        self.importance = importance
    }

    /// Reads, converts and compresses the rows of one tile.
    ///
    /// - Parameter calibrated: The tile, if it was quantized with its whole layer.
    /// - Throws: `quantize.not-finite`, `quantize.overflow`, and what reading throws.
    mutating func tile(
        _ number: Int, of entry: QuantizePlan.Entry, calibrated: TileQuantizer.Tile?
    ) throws -> FinishedTile {
        let rows = entry.layout.rows(ofTile: number)
        let tensor = entry.tensor
        do {
            if let calibrated {
                return try Self.finished(
                    Content(
                        bytes: calibrated.bytes, scale: calibrated.scale, statistics: calibrated.statistics), entry)
            }
            let largest = try read(rows, of: tensor, for: entry.encoding)
            // A measurement needs every matrix, even those that are not quantized.
            let importance = try importance.columns(of: tensor.name, rows: rows, weights: originals.span)
            let result =
                switch entry.encoding {
                case .plain(let type): try plainContent(type, of: tensor, rows: rows)
                case .q8, .q4:
                    try quantizedContent(entry.encoding, of: tensor, largest: largest, importance: importance)
                }
            return try Self.finished(result, entry)
        } catch let error as PVITError {
            throw error.located(tensor: tensor.name)
        }
    }

    private static func finished(_ content: Content, _ entry: QuantizePlan.Entry) throws -> FinishedTile {
        let encoded = try TileEncoder.encode(
            content.bytes.span.bytes, encoding: entry.encoding, scale: content.scale, compression: entry.compression)
        return FinishedTile(content: content.bytes, encoded: encoded, statistics: content.statistics)
    }

    /// Fills `originals` with rows of the source, and `sourceBytes` if the tile may be stored as it is.
    ///
    /// - Returns: The largest magnitude of rows that are to be quantized, else 0.
    /// - Throws: `quantize.not-finite`, and what reading throws.
    private mutating func read(
        _ rows: Range<Int>, of tensor: TensorDescription, for encoding: TensorEncoding
    ) throws -> Float {
        guard case .plain = encoding else {
            try Self.read(rows, of: tensor, from: source, scratch: &sourceBytes, into: &originals)
            return try TileQuantizer.largestMagnitude(
                of: originals.span, columns: tensor.shape.elementsPerRow, firstRow: rows.lowerBound)
        }
        try Self.copy(rows, of: tensor, from: source, to: &sourceBytes, and: &originals)
        return 0
    }

    /// Widens rows of the source, without a copy if possible.
    private static func read(
        _ rows: Range<Int>, of tensor: TensorDescription, from source: any TensorSource, scratch: inout [UInt8],
        into floats: inout [Float]
    ) throws {
        try source.withRows(rows, of: tensor, scratch: &scratch) { try widen($0, tensor.elementType, into: &floats) }
    }

    /// Copies rows of the source and widens the copy.
    private static func copy(
        _ rows: Range<Int>, of tensor: TensorDescription, from source: any TensorSource, to copy: inout [UInt8],
        and floats: inout [Float]
    ) throws {
        let byteCount = rows.count * tensor.bytesPerRow
        if copy.count != byteCount { copy = [UInt8](repeating: 0, count: byteCount) }
        var span = copy.mutableSpan
        var bytes = span.mutableBytes
        try source.readRows(rows, of: tensor, into: &bytes)
        if let index = FloatVectors.firstNotFinite(bytes.bytes, tensor.elementType) {
            let row = rows.lowerBound + index / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .weightNotFinite, "row \(row) has a number that is infinite or not a number",
                remedy: "the checkpoint is damaged: download or copy it again")
        }
        try widen(bytes.bytes, tensor.elementType, into: &floats)
    }

    private static func widen(_ packed: RawSpan, _ type: ElementType, into floats: inout [Float]) throws {
        let count = packed.byteCount / type.byteCount
        if floats.count != count { floats = [Float](repeating: 0, count: count) }
        var span = floats.mutableSpan
        try FloatVectors.widen(packed, type, into: &span)
    }

    private func quantizedContent(
        _ encoding: TensorEncoding, of tensor: TensorDescription, largest: Float, importance: [Float]?
    ) throws -> Content {
        let quantizer = try TileQuantizer(
            encoding: encoding, columns: tensor.shape.elementsPerRow, importance: importance)
        let tile = try quantizer.encode(rows: originals.span, largest: largest)
        return Content(bytes: tile.bytes, scale: tile.scale, statistics: tile.statistics)
    }

    private mutating func plainContent(
        _ type: ElementType, of tensor: TensorDescription, rows: Range<Int>
    ) throws -> Content {
        guard type != tensor.elementType else {
            return Content(
                bytes: sourceBytes, scale: 1,
                statistics: FloatVectors.statistics(of: originals.span, decoded: originals.span))
        }
        let content = try Self.narrow(originals, type)
        if let index = FloatVectors.firstNotFinite(content.span.bytes, type) {
            let row = rows.lowerBound + index / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .numberTooLarge, "row \(row) has the number \(originals[index]), which is too large for \(type)",
                remedy: "choose bf16 or f32 for this tensor, such as with --override '\(tensor.name)=bf16'")
        }
        try Self.widen(content.span.bytes, type, into: &decoded)
        return Content(
            bytes: content, scale: 1, statistics: FloatVectors.statistics(of: originals.span, decoded: decoded.span))
    }

    private static func narrow(_ floats: [Float], _ type: ElementType) throws -> [UInt8] {
        var packed = [UInt8](repeating: 0, count: floats.count * type.byteCount)
        var span = packed.mutableSpan
        var bytes = span.mutableBytes
        try FloatVectors.narrow(floats.span, type, into: &bytes)
        return packed
    }
}
