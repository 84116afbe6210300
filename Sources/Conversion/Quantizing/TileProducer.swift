import Checkpoints
import Container
import Quantization
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

/// Turns rows of a source into tiles of a container. Each thread has its own, with memory that it reuses.
struct TileProducer {
    private let source: any TensorSource
    private let probe: ActivationProbe?
    private var sourceBytes: [UInt8] = []
    private var originals: [Float] = []
    private var decoded: [Float] = []

    /// - Parameter probe: Estimates which columns matter; nil counts all the same.
    init(source: any TensorSource, probe: ActivationProbe?) {
        self.source = source
        self.probe = probe
    }

    /// Reads, converts and compresses the rows of one tile.
    ///
    /// - Throws: `quantize.not-finite`, `quantize.overflow`, and whatever reading throws.
    mutating func tile(_ number: Int, of entry: QuantizePlan.Entry) throws -> FinishedTile {
        let rows = entry.layout.rows(ofTile: number)
        let tensor = entry.tensor
        do {
            try read(rows, of: tensor)
            // The probe has to see every matrix, also those that are not quantized.
            let importance = try probe?.observe(rows, of: tensor.name, weights: originals.span)
            let result =
                switch entry.encoding {
                case .plain(let type): try plainContent(type, of: tensor, rows: rows)
                case .q8, .q4: try quantizedContent(entry.encoding, of: tensor, rows: rows, importance: importance)
                }
            let encoded = try TileEncoder.encode(
                result.bytes.span.bytes, encoding: entry.encoding, scale: result.scale,
                compression: entry.compression)
            return FinishedTile(content: result.bytes, encoded: encoded, statistics: result.statistics)
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
                .weightNotFinite, "row \(row) has a number that is infinite or not a number",
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

    private func quantizedContent(
        _ encoding: TensorEncoding, of tensor: TensorDescription, rows: Range<Int>, importance: [Float]?
    ) throws -> Content {
        let quantizer = try TileQuantizer(
            encoding: encoding, columns: tensor.shape.elementsPerRow, importance: importance)
        let tile = try quantizer.encode(rows: originals.span, firstRow: rows.lowerBound)
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
        if let place = FloatVectors.firstNotFinite(content.span.bytes, type) {
            let row = rows.lowerBound + place / max(tensor.shape.elementsPerRow, 1)
            throw PVITError(
                .numberTooLarge, "row \(row) has the number \(originals[place]), which is too large for \(type)",
                remedy: "choose bf16 or f32 for this tensor, such as with --override '\(tensor.name)=bf16'")
        }
        try Self.widen(content, type, into: &decoded)
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
