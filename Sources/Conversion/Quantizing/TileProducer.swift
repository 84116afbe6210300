import Checkpoints
import Container
import Tensors

/// A tile that is ready to be appended to a container.
struct FinishedTile: Sendable {
    let content: [UInt8]
    let encoded: EncodedTile
    let statistics: ErrorStatistics
}

/// Turns rows of a source into tiles of a container. Each thread has its own, with memory that it reuses.
struct TileProducer {
    private let source: any TensorSource
    private var sourceBytes: [UInt8] = []
    private var originals: [Float] = []
    private var decoded: [Float] = []

    init(source: any TensorSource) { self.source = source }

    /// Reads, converts and compresses the rows of one tile.
    ///
    /// - Throws: `quantize.not-finite`, `quantize.overflow`, and whatever reading throws.
    mutating func tile(_ number: Int, of entry: QuantizePlan.Entry) throws -> FinishedTile {
        let rows = entry.layout.rows(ofTile: number)
        let tensor = entry.tensor
        do {
            try read(rows, of: tensor)
            var result: (content: [UInt8], scale: Float, statistics: ErrorStatistics)
            switch entry.encoding {
            case .plain(let type): result = try plainContent(type, of: tensor, rows: rows)
            case .q8, .q4: result = try quantizedContent(entry.encoding, of: tensor, rows: rows)
            }
            let encoded = try TileEncoder.encode(
                result.content.span.bytes, encoding: entry.encoding, scale: result.scale,
                compression: entry.compression)
            return FinishedTile(content: result.content, encoded: encoded, statistics: result.statistics)
        } catch let error as PVITError {
            throw error.located(tensor: tensor.name)
        }
    }

    /// Fills `sourceBytes` and `originals` with rows of the source.
    private mutating func read(_ rows: Range<Int>, of tensor: TensorDescription) throws {
        let byteCount = rows.count * tensor.bytesPerRow
        try Self.read(rows, of: tensor, from: source, into: &sourceBytes, byteCount: byteCount)
        if let place = FloatVectors.firstNotFinite(sourceBytes.span.bytes, tensor.elementType) {
            let row = rows.lowerBound + place / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .numberNotFinite, "row \(row) has a number that is infinite or not a number",
                remedy: "the checkpoint is damaged: download or copy it again")
        }
        try Self.widen(sourceBytes, tensor.elementType, into: &originals)
    }

    private static func read(
        _ rows: Range<Int>, of tensor: TensorDescription, from source: any TensorSource, into buffer: inout [UInt8],
        byteCount: Int
    ) throws {
        if buffer.count != byteCount { buffer = [UInt8](repeating: 0, count: byteCount) }
        var span = buffer.mutableSpan
        var bytes = span.mutableBytes
        try source.readRows(rows, of: tensor, into: &bytes)
    }

    private static func widen(_ packed: [UInt8], _ type: ElementType, into floats: inout [Float]) throws {
        let count = packed.count / type.byteCount
        if floats.count != count { floats = [Float](repeating: 0, count: count) }
        var span = floats.mutableSpan
        try FloatVectors.widen(packed.span.bytes, type, into: &span)
    }

    private mutating func plainContent(
        _ type: ElementType, of tensor: TensorDescription, rows: Range<Int>
    ) throws -> (content: [UInt8], scale: Float, statistics: ErrorStatistics) {
        guard type != tensor.elementType else {
            return (sourceBytes, 1, FloatVectors.statistics(of: originals.span, decoded: originals.span))
        }
        let content = try Self.narrow(originals, type)
        if let place = FloatVectors.firstNotFinite(content.span.bytes, type) {
            let row = rows.lowerBound + place / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .numberTooLarge, "row \(row) has the number \(originals[place]), which is too large for \(type)",
                remedy: "choose bf16 or f32 for this tensor, such as with --override '\(tensor.name)=bf16'")
        }
        try Self.widen(content, type, into: &decoded)
        return (content, 1, FloatVectors.statistics(of: originals.span, decoded: decoded.span))
    }

    private static func narrow(_ floats: [Float], _ type: ElementType) throws -> [UInt8] {
        var packed = [UInt8](repeating: 0, count: floats.count * type.byteCount)
        var span = packed.mutableSpan
        var bytes = span.mutableBytes
        try FloatVectors.narrow(floats.span, type, into: &bytes)
        return packed
    }
}
