import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// Appends finished tiles to a container, in the order of a plan.
final class ContainerAssembler {
    private let plan: QuantizePlan
    private var writer: ContainerWriter?
    private var entry = 0
    private var tile = 0
    private var current = ErrorStatistics()
    private var doneByteCount: UInt64 = 0

    init(path: FilePath, plan: QuantizePlan) throws {
        self.plan = plan
        writer = try ContainerWriter(path: path)
    }

    /// Appends the next tile.
    ///
    /// - Returns: The bytes of the source that are done.
    func append(_ finished: FinishedTile) throws -> UInt64 {
        let planned = plan.entries[entry]
        let tensor = planned.tensor
        if tile == 0 {
            try writer?.beginTensor(tensor.name, encoding: planned.encoding, shape: tensor.shape)
            current = ErrorStatistics()
        }
        try writer?.append(finished.encoded, content: finished.content.span.bytes)
        // Merged in the order of the tiles, so that the sums do not depend on the threads.
        current.merge(finished.statistics)
        doneByteCount += UInt64(planned.layout.rows(ofTile: tile).count * tensor.bytesPerRow)
        tile += 1
        if tile == planned.layout.tileCount {
            try writer?.endTensor(statistics: current)
            entry += 1
            tile = 0
        }
        return doneByteCount
    }

    /// Adds the tokenizer's files unchanged.
    func addAttachments(of sideFiles: SideFiles) throws {
        for name in [SideFiles.sentencePieceModel, SideFiles.tokenizerJSON] {
            if let bytes = sideFiles[name] { try writer?.addAttachment(name, bytes: bytes) }
        }
    }

    /// Ends the file and gives it its name.
    func finish(metadata: JSONObject) throws -> (digest: ModelDigest, byteCount: UInt64) {
        guard var writer = writer.take() else {
            throw PVITError(.internalDefect, "a container was finished twice")
        }
        for alias in plan.aliases { try writer.addAlias(alias.name, of: alias.target) }
        return try writer.finish(metadata: metadata)
    }
}
