import ChecksumSupport
import Container
import Tensors

/// A `.pvq` file as it is, and with the right checksums, so that what lies behind them is reached.
func readContainer(_ bytes: [UInt8]) throws {
    _ = try? readContainerFile(bytes)
    var mended = bytes
    ContainerChecksums.mend(&mended, includingFileSize: true)
    try readContainerFile(mended)
}

/// The index, all tiles, all attachments and the verification.
private func readContainerFile(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "model.pvq") { path in
        let container = try Container(opening: path, allowsPackedDelta: true)
        let scratch = TileScratch()
        for tensor in try container.tensors() {
            for tile in 0..<tensor.tileCount {
                if container.needsBase { readWithBase(tile, of: tensor, in: container, scratch: scratch) }
                _ = try? container.withTile(tile, of: tensor, scratch: scratch) { content, tile in
                    precondition(content.byteCount == tile.decodedByteCount, "a tile of another size than it says")
                }
            }
            if tensor.role == .attachment { _ = try? container.attachment(tensor.name.rawValue) }
        }
        try container.verify()
    }
}

/// Decodes a tile of a packed delta with a base of zeros.
private func readWithBase(_ tile: Int, of tensor: StoredTensor, in container: Container, scratch: TileScratch) {
    guard let size = try? container.tile(tile, of: tensor).decodedByteCount, size <= 1 << 20 else { return }
    let base = [UInt8](repeating: 0, count: size)
    var content = base
    var span = content.mutableSpan
    var bytes = span.mutableBytes
    _ = try? container.readTile(tile, of: tensor, base: base.span.bytes, scratch: scratch, into: &bytes)
}
