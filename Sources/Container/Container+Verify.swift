import Storage
import Tensors

/// The progress of a verification.
package struct VerificationProgress: Sendable, Hashable {
    /// The tensor that is being checked.
    package let tensor: TensorName
    /// The number of bytes that have been checked.
    package let checkedByteCount: UInt64
    /// The size of the file.
    package let byteCount: UInt64
}

extension Container {
    /// Checks every byte of the file: what opening checks, the metadata, each tile's checksum and decoded content, the
    /// padding, each tensor's content digest, and the model's digest.
    ///
    /// Of tiles that are stored relative to a base, only the checksum is compared. What they decode to is compared
    /// whenever they are decoded.
    ///
    /// - Parameter progress: Called after each tile.
    /// - Returns: The digest of all parameters.
    /// - Throws: The first error, with its tensor and bytes.
    @discardableResult
    package func verify(progress: (VerificationProgress) throws -> Void = { _ in }) throws -> ModelDigest {
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

    /// Checks the tiles of one tensor and the padding before each. Returns the end of the last one.
    private func verify(
        _ tensor: StoredTensor, after end: UInt64, scratch: TileScratch, progress: (VerificationProgress) throws -> Void
    ) throws -> UInt64 {
        var position = end
        var digester: ContentDigester? = ContentDigester(encoding: tensor.encoding, shape: tensor.shape)
        for number in 0..<tensor.tileCount {
            let tile = try tile(number, of: tensor)
            // The padding before the first tile does not belong to the tensor.
            try verifyPadding(position..<tile.storedRange.lowerBound, tensor: number == 0 ? nil : tensor.name)
            // A tile that was verified before is read again, in case the disk has failed since.
            try checkAgain(tile, of: tensor)
            if tile.codec.needsBase {
                digester = nil
            } else {
                try withTile(number, of: tensor, scratch: scratch) { content, _ in
                    digester?.update(tile: content, scale: tile.scale)
                }
            }
            position = tile.storedRange.upperBound
            try progress(
                VerificationProgress(
                    tensor: tensor.name, checkedByteCount: position, byteCount: footer.fileByteCount))
        }
        guard let digester else { return position }
        guard digester.finish() == tensor.contentDigest else {
            throw PVITError(
                .contentDigest, "the tensor's content does not match its digest", file: path, tensor: tensor.name,
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
            throw PVITError(.modelDigest, "the parameters do not match the model's digest", file: path)
        }
        return digest
    }
}
