import Storage
import SystemPackage
import Tensors

/// Writes a container from start to end. The file does not appear under its name before `finish`.
///
/// The same calls with the same arguments write the same bytes.
package struct ContainerWriter: ~Copyable {
    private var file: OutputFile
    private let features: ContainerFeatures
    private var index = IndexBuilder()
    private var open: OpenTensor?

    /// A tensor whose tiles are being appended.
    private struct OpenTensor {
        let name: TensorName
        let layout: TileLayout
        var record: TensorRecord
        var digester: ContentDigester
        var tileCount = 0
    }

    /// Starts a container at `path`.
    ///
    /// - Parameter needsBase: Whether the file is a packed delta, whose tiles may be stored relative to a base.
    /// - Throws: `file.cannot-create`, `file.write-failed`.
    package init(path: FilePath, needsBase: Bool = false) throws {
        features = ContainerFeatures(needsBase: needsBase)
        var file = try OutputFile(path: path)
        try file.append(ContainerHeader(features: features).encoded())
        self.file = file
    }

    /// The number of bytes written so far.
    package var byteCount: UInt64 { file.byteCount }

    /// Begins a tensor, whose tiles follow.
    ///
    /// - Parameter rowsPerTile: The number of rows in each tile except the last, a multiple of the encoding's
    ///   `rowsPerGroup`; nil chooses tiles of about `TileLayout.targetByteCount`.
    /// - Throws: `container.name`, `container.order` if the name was used before, and the errors of `TileLayout`.
    package mutating func beginTensor(
        _ name: TensorName, encoding: TensorEncoding, shape: Shape, role: TensorRole = .parameter,
        rowsPerTile: Int? = nil
    ) throws {
        guard open == nil else { throw request("beginTensor was called before the last tensor ended", name) }
        guard role == .parameter || (encoding == .plain(.u8) && shape.rank == 1) else {
            throw PVITError(.containerEncoding, "an attachment must be a list of bytes", tensor: name)
        }
        let layout: TileLayout
        do {
            layout = try TileLayout(encoding: encoding, shape: shape, rowsPerTile: rowsPerTile)
        } catch let error as PVITError {
            throw error.located(file: file.path, tensor: name)
        }
        try index.check(name: name, newTiles: layout.tileCount)
        guard let rows = UInt32(exactly: layout.rowsPerTile) else {
            throw PVITError(.containerLimit, "a tile cannot have \(layout.rowsPerTile) rows", tensor: name)
        }
        let record = TensorRecord(
            encoding: encoding, role: role, shape: shape, rowsPerTile: rows, firstTile: index.nextTile)
        open = OpenTensor(
            name: name, layout: layout, record: record,
            digester: ContentDigester(encoding: encoding, shape: shape))
    }

    /// Appends the next tile of the current tensor.
    ///
    /// - Parameter content: The decoded bytes of `tile`, for the content digest.
    /// - Throws: `container.tiles` if the tile does not have the size of the next one; `file.write-failed`.
    package mutating func append(_ tile: EncodedTile, content: RawSpan) throws {
        guard var tensor = open else { throw request("append was called without beginTensor") }
        guard tensor.tileCount < tensor.layout.tileCount,
            content.byteCount == tensor.layout.byteCount(ofTile: tensor.tileCount),
            content.byteCount == tile.decodedByteCount
        else {
            throw PVITError(
                .containerTiles, "\(content.byteCount) bytes are not tile \(tensor.tileCount)", tensor: tensor.name)
        }
        let isFirst = tensor.tileCount == 0
        if isFirst, let alignment = ContainerFormat.tensorAlignment(needsBase: features.needsBase) {
            try pad(to: alignment)
        }
        if tile.codec == .stored { try pad(to: ContainerFormat.storedAlignment) }
        let record = TileRecord(
            offset: file.byteCount, storedByteCount: UInt32(truncatingIfNeeded: tile.storedByteCount),
            codec: tile.codec, scale: tile.scale, checksum: tile.checksum)
        do {
            try record.check(
                encoding: tensor.record.encoding, byteCount: content.byteCount, needsBase: features.needsBase)
        } catch let error as PVITError {
            throw error.located(tensor: tensor.name)
        }
        if isFirst { tensor.record.offset = file.byteCount }
        if let compressed = tile.compressed { try file.append(compressed) } else { try file.append(content) }
        tensor.digester.update(tile: content, scale: tile.scale)
        tensor.record.storedByteCount = file.byteCount - tensor.record.offset
        tensor.tileCount += 1
        index.append(record)
        open = tensor
    }

    /// Ends the current tensor.
    ///
    /// - Throws: `container.tiles` if tiles are missing; `container.statistics` for impossible numbers.
    package mutating func endTensor(statistics: ErrorStatistics? = nil) throws {
        guard var tensor = open else { throw request("endTensor was called without beginTensor") }
        guard tensor.tileCount == tensor.layout.tileCount else {
            throw PVITError(
                .containerTiles, "the tensor has \(tensor.tileCount) of its \(tensor.layout.tileCount) tiles",
                tensor: tensor.name)
        }
        if let statistics {
            let numbers = [statistics.squaredError, statistics.maximumError, statistics.squaredSum]
            guard statistics.count >= 0, numbers.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
                throw PVITError(
                    .containerStatistics, "error statistics are not finite, non-negative numbers", tensor: tensor.name)
            }
        }
        tensor.record.tileCount = UInt32(truncatingIfNeeded: tensor.tileCount)
        tensor.record.statistics = statistics
        tensor.record.contentDigest = tensor.digester.finish()
        index.append(tensor.record, name: tensor.name)
        open = nil
    }

    /// Adds a second name for a parameter that has been written.
    ///
    /// - Throws: `tensor.not-found` if there is no such parameter; `container.name`, `container.order`.
    package mutating func addAlias(_ name: TensorName, of target: TensorName) throws {
        guard open == nil else { throw request("addAlias was called before the last tensor ended", name) }
        try index.check(name: name, newTiles: 0)
        try index.appendAlias(name, of: target)
    }

    /// Adds a file that belongs to the model, such as `tokenizer.model`.
    ///
    /// - Throws: `container.limit` if it is larger than 256 MiB; the errors of `beginTensor` and `append`.
    package mutating func addAttachment(
        _ name: String, bytes: [UInt8], compression: Compression = .zstd
    ) throws {
        guard bytes.count <= ContainerFormat.maximumAttachmentByteCount, let shape = Shape([bytes.count]) else {
            throw PVITError(
                .containerLimit, "an attachment of \(bytes.count) bytes is too large", tensor: TensorName(name))
        }
        try beginTensor(TensorName(name), encoding: .plain(.u8), shape: shape, role: .attachment)
        let layout = try TileLayout(encoding: .plain(.u8), shape: shape)
        for tile in 0..<layout.tileCount {
            let content = bytes.span.bytes.extracting(layout.rows(ofTile: tile))
            try append(
                TileEncoder.encode(content, encoding: .plain(.u8), compression: compression), content: content)
        }
        try endTensor()
    }

    /// Writes metadata and index, and gives the file its name.
    ///
    /// - Parameter metadata: Keys have a namespace, such as `model.config`.
    /// - Returns: The digest of all parameters, and the size of the file in bytes.
    /// - Throws: `container.limit` if the metadata exceeds 64 MiB; `file.write-failed`, `file.cannot-create`.
    package consuming func finish(metadata: JSONObject) throws -> (digest: ModelDigest, byteCount: UInt64) {
        guard open == nil else { throw request("finish was called before the last tensor ended") }
        let text = JSONValue.object(metadata).encoded()
        guard text.count <= ContainerFormat.maximumMetadataByteCount else {
            throw PVITError(.containerLimit, "metadata of \(text.count) bytes is too large", file: file.path)
        }
        let stored = try Zstandard.compress(text.span.bytes, level: 3, limit: text.count - 1) ?? text
        try pad(to: ContainerFormat.storedAlignment)
        let metadataOffset = file.byteCount
        try file.append(stored)
        try pad(to: ContainerFormat.storedAlignment)
        let indexOffset = file.byteCount
        let (indexBytes, modelDigest) = index.finish()
        try file.append(indexBytes)
        try pad(to: ContainerFormat.storedAlignment)
        let footer = ContainerFooter(
            features: features, fileByteCount: file.byteCount + UInt64(ContainerFormat.footerByteCount),
            metadataOffset: metadataOffset, metadataStoredByteCount: UInt32(stored.count),
            metadataByteCount: UInt32(text.count), metadataChecksum: xxh3(stored.span.bytes),
            indexOffset: indexOffset, indexByteCount: UInt64(indexBytes.count),
            indexChecksum: xxh3(indexBytes.span.bytes), modelDigest: modelDigest)
        try file.append(footer.encoded())
        let byteCount = file.byteCount
        try file.commit()
        return (modelDigest, byteCount)
    }

    private mutating func pad(to alignment: UInt64) throws {
        let count = file.byteCount.aligned(to: alignment) - file.byteCount
        if count > 0 { try file.append([UInt8](repeating: 0, count: Int(count))) }
    }

    private func request(_ what: String, _ tensor: TensorName? = nil) -> PVITError {
        PVITError(.containerRequest, what, file: file.path, tensor: tensor)
    }
}
