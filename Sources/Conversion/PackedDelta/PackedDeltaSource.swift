import Container
import Platform
import Storage
import Tensors

/// The tensors of a fine-tuned model: a packed delta and its base. Tiles are decoded when their rows are read, and kept
/// until others are needed.
final class PackedDeltaSource: TensorSource {
    let tensors: [TensorDescription]
    private let pairs: [TensorName: BasePair]
    private let container: Container
    private let stored: [TensorName: StoredTensor]
    private let base: any TensorSource
    private let scratches = Lock<[TileScratch]>([])
    /// The tiles that were used last; the latest one comes last.
    private let recent = Lock<[DecodedTile]>([])

    /// Threads that read a model in order share tiles: as many are kept as they are likely to use at the same time.
    private static let keptTileCount = 8

    /// A tile that is decoded by the first thread that needs it; others wait for it.
    private final class DecodedTile: Sendable {
        let tensor: TensorName
        let number: Int
        let content = Lock<[UInt8]?>(nil)

        init(_ number: Int, of tensor: TensorName) {
            self.tensor = tensor
            self.number = number
        }
    }

    /// - Parameters:
    ///   - tensors: The parameters of `container`.
    ///   - pairs: The pairs of those that are stored relative to the base.
    init(
        tensors: [TensorDescription], pairs: [TensorName: BasePair], of container: Container, base: any TensorSource
    ) throws {
        self.tensors = tensors
        self.pairs = pairs
        self.container = container
        self.base = base
        var stored: [TensorName: StoredTensor] = [:]
        for tensor in tensors { stored[tensor.name] = try container.tensor(named: tensor.name) }
        self.stored = stored
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let stored = stored[tensor.name], stored.shape == tensor.shape else {
            throw PVITError(
                .tensorNotFound, "the packed delta holds no such tensor", file: container.path, tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        for number in stored.layout.tiles(of: rows) {
            let tileRows = stored.layout.rows(ofTile: number)
            let shared = rows.clamped(to: tileRows)
            let start = (shared.lowerBound - rows.lowerBound) * tensor.bytesPerRow
            var slice = destination._mutatingExtracting(start..<start + shared.count * tensor.bytesPerRow)
            let first = (shared.lowerBound - tileRows.lowerBound) * tensor.bytesPerRow
            try decoded(number, of: stored, tensor).withLock { content in
                let bytes = try content ?? decode(number, of: stored, tensor)
                content = bytes
                slice.copy(bytes.span.bytes.extracting(first..<first + shared.count * tensor.bytesPerRow))
            }
        }
    }

    /// The place of a tile among the recent ones.
    private func decoded(_ number: Int, of stored: StoredTensor, _ tensor: TensorDescription) -> Lock<[UInt8]?> {
        recent.withLock { recent in
            let tile: DecodedTile
            if let index = recent.firstIndex(where: { $0.number == number && $0.tensor == tensor.name }) {
                tile = recent.remove(at: index)
            } else {
                tile = DecodedTile(number, of: tensor.name)
                if recent.count >= Self.keptTileCount { recent.removeFirst() }
            }
            recent.append(tile)
            return tile.content
        }
    }

    private func decode(_ number: Int, of stored: StoredTensor, _ tensor: TensorDescription) throws -> [UInt8] {
        let scratch = scratches.withLock { $0.popLast() } ?? TileScratch()
        defer { scratches.withLock { $0.append(scratch) } }
        let needsBase = try container.tile(number, of: stored).codec.needsBase
        var baseRows: [UInt8] = []
        if needsBase {
            guard let pair = pairs[tensor.name] else {
                throw PVITError(.internalDefect, "a tile without a base needs one", tensor: tensor.name)
            }
            baseRows = try pair.baseRows(stored.layout.rows(ofTile: number), from: base)
        }
        var content = [UInt8](repeating: 0, count: stored.layout.byteCount(ofTile: number))
        var span = content.mutableSpan
        var bytes = span.mutableBytes
        try container.readTile(number, of: stored, base: baseRows.span.bytes, scratch: scratch, into: &bytes)
        return content
    }
}
