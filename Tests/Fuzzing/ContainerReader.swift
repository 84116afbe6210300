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
        let container = try Container(opening: path)
        let scratch = TileScratch()
        for tensor in try container.tensors() {
            for tile in 0..<tensor.tileCount {
                _ = try? container.withTile(tile, of: tensor, scratch: scratch) { content, tile in
                    precondition(content.byteCount == tile.decodedByteCount, "a tile of another size than it says")
                }
            }
            if tensor.role == .attachment { _ = try? container.attachment(tensor.name.rawValue) }
        }
        try container.verify()
    }
}
