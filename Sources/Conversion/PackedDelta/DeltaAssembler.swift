import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// A tile of a packed delta that is ready to be appended.
struct DeltaTile: Sendable {
    let content: [UInt8]
    let encoded: EncodedTile
    let change: ModelChange

    /// Reads and codes a tile.
    ///
    /// - Throws: What reading throws.
    static func code(
        _ tile: DeltaPackingPlan.Tile, base: any TensorSource, target: any TensorSource
    ) throws -> DeltaTile {
        do {
            return try code(tile.entry.layout.rows(ofTile: tile.number), of: tile.entry, base: base, target: target)
        } catch let error as PVITError {
            throw error.located(tensor: tile.entry.tensor.name)
        }
    }

    private static func code(
        _ rows: Range<Int>, of entry: DeltaPackingPlan.Entry, base: any TensorSource, target: any TensorSource
    ) throws -> DeltaTile {
        let tensor = entry.tensor
        let encoding = TensorEncoding.plain(tensor.elementType)
        let content = try target.bytes(ofRows: rows, of: tensor)
        guard let pair = entry.pair else {
            let encoded = try TileEncoder.encode(content.span.bytes, encoding: encoding, compression: .zstd)
            return DeltaTile(content: content, encoded: encoded, change: ModelChange())
        }
        let baseRows = try pair.baseRows(rows, from: base)
        let encoded = try TileEncoder.encode(
            content.span.bytes, base: baseRows.span.bytes, encoding: encoding, columns: tensor.shape.elementsPerRow)
        let shared = rows.clamped(to: 0..<pair.sharedRowCount).count * tensor.bytesPerRow
        let change = ModelChange(
            of: content.span.bytes.extracting(0..<shared), base: baseRows.span.bytes.extracting(0..<shared),
            type: tensor.elementType)
        return DeltaTile(content: content, encoded: encoded, change: change)
    }
}

/// Appends finished tiles to a packed delta, in the order of its plan.
final class DeltaAssembler {
    /// The changes of the tensors that the base has, as metadata.
    private(set) var changes = JSONObject()
    /// The change of all of them.
    private(set) var change = ModelChange()
    private let plan: DeltaPackingPlan
    private var writer: ContainerWriter?
    private var entry = 0
    private var tile = 0
    private var current = ModelChange()
    private var doneByteCount: UInt64 = 0

    init(path: FilePath, plan: DeltaPackingPlan) throws {
        self.plan = plan
        writer = try ContainerWriter(path: path, needsBase: true)
        try addEmptyTensors()
    }

    /// Appends the next tile.
    ///
    /// - Returns: The bytes of the target that are done.
    func append(_ finished: DeltaTile) throws -> UInt64 {
        let planned = plan.entries[entry]
        if tile == 0 {
            try begin(planned)
            current = ModelChange()
        }
        try writer?.append(finished.encoded, content: finished.content.span.bytes)
        // Merged in the order of the tiles, so that the sums do not depend on the threads.
        current.merge(finished.change)
        doneByteCount += UInt64(finished.content.count)
        tile += 1
        if tile == planned.layout.tileCount {
            try writer?.endTensor()
            if current.count > 0 { changes[planned.tensor.name.rawValue] = current.json }
            change.merge(current)
            entry += 1
            tile = 0
            try addEmptyTensors()
        }
        return doneByteCount
    }

    private func begin(_ planned: DeltaPackingPlan.Entry) throws {
        try writer?.beginTensor(
            planned.tensor.name, encoding: .plain(planned.tensor.elementType), shape: planned.tensor.shape,
            rowsPerTile: planned.layout.rowsPerTile)
    }

    /// Adds the tensors without tiles that are due.
    private func addEmptyTensors() throws {
        while entry < plan.entries.count, plan.entries[entry].layout.tileCount == 0 {
            try begin(plan.entries[entry])
            try writer?.endTensor()
            entry += 1
        }
    }

    /// Adds the side files unchanged.
    func addAttachments(of sideFiles: SideFiles) throws {
        for name in sideFiles.presentNames {
            if let bytes = sideFiles[name] {
                try writer?.addAttachment(name, bytes: bytes, compression: .zstd(level: 19))
            }
        }
    }

    /// Ends the file and gives it its name.
    func finish(metadata: JSONObject) throws -> (digest: ModelDigest, byteCount: UInt64) {
        guard var writer = writer.take() else {
            throw PVITError(.internalDefect, "a packed delta was finished twice")
        }
        for alias in plan.aliases { try writer.addAlias(alias.name, of: alias.target) }
        return try writer.finish(metadata: metadata)
    }
}
