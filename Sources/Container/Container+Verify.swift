import Storage
import Tensors

/// How far a verification has come.
public struct VerificationProgress: Sendable, Hashable {
    /// The tensor that is being checked.
    public let tensor: TensorName
    /// Bytes of the file that have been checked.
    public let checkedByteCount: UInt64
    /// The size of the file.
    public let byteCount: UInt64
}

extension Container {
    /// Checks every byte of the file: all that opening checks, the metadata, each tile's checksum and decoded content,
    /// the padding, each tensor's content digest and the digest of the model.
    ///
    /// - Parameter progress: Called after each tile.
    /// - Returns: The digest of all parameters.
    /// - Throws: The first thing that is wrong, with tensor and bytes.
    @discardableResult
    public func verify(progress: (VerificationProgress) -> Void = { _ in }) throws -> ModelDigest {
        let scratch = TileScratch()
        var position = UInt64(ContainerFormat.headerByteCount)
        for number in 0..<tensorCount {
            let tensor = try tensor(at: number)
            guard tensor.aliasOf == nil else { continue }
            position = try verify(tensor, after: position, scratch: scratch, progress: progress)
        }
        try verifyPadding(position..<footer.metadataOffset)
        _ = try metadata
        let metadataEnd = footer.metadataOffset + UInt64(footer.metadataStoredByteCount)
        try verifyPadding(metadataEnd..<footer.indexOffset)
        let indexEnd = footer.indexOffset + footer.indexByteCount
        try verifyPadding(indexEnd..<footer.fileByteCount - UInt64(ContainerFormat.footerByteCount))
        return try verifyModelDigest()
    }

    /// Checks the tiles of one tensor and the padding before each; returns where the last one ends.
    private func verify(
        _ tensor: StoredTensor, after end: UInt64, scratch: TileScratch, progress: (VerificationProgress) -> Void
    ) throws -> UInt64 {
        var position = end
        var digester = ContentDigester(encoding: tensor.encoding, shape: tensor.shape)
        for number in 0..<tensor.tileCount {
            let tile = try tile(number, of: tensor)
            // Padding between the tiles of a tensor is the tensor's; that before its first tile is nobody's.
            try verifyPadding(position..<tile.storedRange.lowerBound, tensor: number == 0 ? nil : tensor.name)
            // Also a tile that was checked before: the disk may have changed its mind.
            try checkAgain(tile, of: tensor)
            try withTile(number, of: tensor, scratch: scratch) { content, _ in
                digester.update(tile: content, scale: tile.scale)
            }
            position = tile.storedRange.upperBound
            progress(
                VerificationProgress(
                    tensor: tensor.name, checkedByteCount: position, byteCount: footer.fileByteCount))
        }
        guard digester.finish() == tensor.contentDigest else {
            throw PVITError(
                .contentDigest, "the tensor's content is not what its digest says", file: path, tensor: tensor.name,
                bytes: tensor.storedRange, remedy: .copyAgain)
        }
        return position
    }

    private func verifyPadding(_ range: Range<UInt64>, tensor: TensorName? = nil) throws {
        try file.withBytes(Int(range.lowerBound)..<Int(range.upperBound)) { bytes in
            guard bytes.isZero(0..<bytes.byteCount) else {
                throw PVITError(
                    .containerPadding, "padding is not zero", file: path, tensor: tensor, bytes: range,
                    remedy: .copyAgain)
            }
        }
    }

    private func verifyModelDigest() throws -> ModelDigest {
        var digester = ModelDigester()
        for rank in 0..<tensorCount {
            let tensor = try tensor(at: withIndex { try index.sorted(rank, in: $0) })
            guard tensor.role == .parameter else { continue }
            digester.update(
                name: tensor.name, encoding: tensor.encoding, shape: tensor.shape, content: tensor.contentDigest)
        }
        let digest = digester.finish()
        guard digest == modelDigest else {
            throw PVITError(.modelDigest, "the parameters are not those that the file's digest says", file: path)
        }
        return digest
    }
}
