import Container
import Quantization
import Storage
import Platform
import SystemPackage
import Tensors

/// The parameters of a container as a source. Quantized tensors are read as f32, others as they are.
package final class ContainerSource: TensorSource {
    /// All parameters, including aliases, in the order of the file.
    package let tensors: [TensorDescription]
    let container: Container
    let storedTensors: [TensorName: StoredTensor]
    // Memory for decoding tiles: one for each thread that reads at the same time.
    private let scratches = Lock<[TileScratch]>([])

    /// Lists the parameters of a container.
    ///
    /// - Throws: The container's errors.
    package init(_ container: Container) throws {
        let parameters = try container.tensors().filter { $0.role == .parameter }
        tensors = try parameters.map { tensor in
            let type: ElementType
            if case .plain(let plain) = tensor.encoding { type = plain } else { type = .f32 }
            return try TensorDescription(name: tensor.name, elementType: type, shape: tensor.shape)
        }
        storedTensors = Dictionary(parameters.map { ($0.name, $0) }) { first, _ in first }
        self.container = container
    }

    /// Decodes rows (`TensorSource.readRows`).
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let stored = storedTensors[tensor.name], stored.shape == tensor.shape else {
            throw PVITError(
                .tensorNotFound, "the container holds no such tensor", file: container.path, tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        try withTiles(of: rows, in: stored) { content, tile, shared in
            let start = (shared.lowerBound - rows.lowerBound) * tensor.bytesPerRow
            var slice = destination._mutatingExtracting(start..<start + shared.count * tensor.bytesPerRow)
            let rowsInTile = shared.lowerBound - tile.rows.lowerBound..<shared.upperBound - tile.rows.lowerBound
            switch stored.encoding {
            case .plain:
                let bytes = rowsInTile.lowerBound * tensor.bytesPerRow..<rowsInTile.upperBound * tensor.bytesPerRow
                slice.copy(content.extracting(bytes))
            case .q8, .q4:
                try TileDecoder(encoding: stored.encoding, columns: tensor.shape.elementsPerRow).decode(
                    rowsInTile, of: content, scale: tile.scale, into: &slice)
            }
        }
    }

    /// Calls `body` with each tile that holds some of `rows`, and the rows of the tensor that are in both.
    func withTiles(
        of rows: Range<Int>, in stored: StoredTensor,
        _ body: (_ content: RawSpan, _ tile: StoredTile, _ shared: Range<Int>) throws -> Void
    ) throws {
        let scratch = scratches.withLock { $0.popLast() } ?? TileScratch()
        defer { scratches.withLock { $0.append(scratch) } }
        for tile in stored.layout.tiles(of: rows) {
            try container.withTile(tile, of: stored, scratch: scratch) { content, tile in
                try body(content, tile, rows.clamped(to: tile.rows))
            }
        }
    }
}
