import Storage

/// The last 128 bytes of a container (`formats/pvq.md`, "Footer").
struct ContainerFooter {
    var features: ContainerFeatures
    var fileByteCount: UInt64
    var metadataOffset: UInt64
    var metadataStoredByteCount: UInt32
    var metadataByteCount: UInt32
    var metadataChecksum: UInt64
    var indexOffset: UInt64
    var indexByteCount: UInt64
    var indexChecksum: UInt64
    var modelDigest: ModelDigest

    /// The footer's bytes.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(features.version)
        bytes.appendLittleEndian(UInt32(0))
        bytes.appendLittleEndian(features.required)
        bytes.appendLittleEndian(features.ignorable)
        bytes.appendLittleEndian(fileByteCount)
        bytes.appendLittleEndian(metadataOffset)
        bytes.appendLittleEndian(metadataStoredByteCount)
        bytes.appendLittleEndian(metadataByteCount)
        bytes.appendLittleEndian(metadataChecksum)
        bytes.appendLittleEndian(indexOffset)
        bytes.appendLittleEndian(indexByteCount)
        bytes.appendLittleEndian(indexChecksum)
        for index in 0..<32 { bytes.append(modelDigest.bytes[index]) }
        bytes.appendLittleEndian(xxh3(bytes.span.bytes))
        return bytes + ContainerFormat.endMagic
    }
}

extension ContainerFooter {
    /// Reads the footer of a file of `fileByteCount` bytes from its last 128 bytes.
    init(_ span: RawSpan, header: ContainerHeader, fileByteCount: Int) throws {
        let size = ContainerFormat.footerByteCount
        let magic = ContainerFormat.endMagic
        let range = UInt64(max(0, fileByteCount - size))..<UInt64(fileByteCount)
        guard span.byteCount == size, try span.copyBytes(size - magic.count..<size) == magic else {
            throw PVITError(
                .containerEnd, "the file does not end with a footer: it is truncated, or has bytes after its end",
                bytes: range, remedy: .copyAgain)
        }
        guard try span.littleEndian(at: 112) == xxh3(span.extracting(0..<112)) else {
            throw PVITError(.containerFooter, "the footer is damaged", bytes: range, remedy: .copyAgain)
        }
        features = ContainerFeatures(
            version: try span.littleEndian(at: 0), required: try span.littleEndian(at: 8),
            ignorable: try span.littleEndian(at: 16))
        guard features == header.features else {
            throw PVITError(.containerFooter, "header and footer belong to different files", bytes: range)
        }
        guard try span.littleEndian(at: 4, as: UInt32.self) == 0 else {
            throw PVITError(.containerPadding, "reserved bytes of the footer are not zero", bytes: range)
        }
        self.fileByteCount = try span.littleEndian(at: 24)
        metadataOffset = try span.littleEndian(at: 32)
        metadataStoredByteCount = try span.littleEndian(at: 40)
        metadataByteCount = try span.littleEndian(at: 44)
        metadataChecksum = try span.littleEndian(at: 48)
        indexOffset = try span.littleEndian(at: 56)
        indexByteCount = try span.littleEndian(at: 64)
        indexChecksum = try span.littleEndian(at: 72)
        modelDigest = try Digest(in: span, at: 80)
        guard self.fileByteCount == UInt64(fileByteCount) else {
            throw PVITError(
                .containerSize,
                "the file has \(fileByteCount) bytes, not the \(self.fileByteCount) that its footer says",
                remedy: .copyAgain)
        }
        try checkLayout(range)
    }

    /// Throws unless metadata, index and footer follow one another without gaps.
    ///
    /// - Parameter range: The bytes of the footer.
    private func checkLayout(_ range: Range<UInt64>) throws {
        guard metadataByteCount <= ContainerFormat.maximumMetadataByteCount, metadataByteCount > 0,
            metadataStoredByteCount > 0, metadataStoredByteCount <= metadataByteCount
        else {
            throw PVITError(
                .containerLimit,
                "metadata cannot have \(metadataByteCount) bytes of which \(metadataStoredByteCount) are stored",
                bytes: range)
        }
        let alignment = ContainerFormat.storedAlignment
        // The sums cannot overflow: every term is at most the file's size, which fits Int64.
        guard metadataOffset <= fileByteCount, indexOffset <= fileByteCount, indexByteCount <= fileByteCount,
            metadataOffset >= UInt64(ContainerFormat.headerByteCount), metadataOffset % alignment == 0,
            indexOffset == (metadataOffset + UInt64(metadataStoredByteCount)).aligned(to: alignment),
            range.lowerBound == (indexOffset + indexByteCount).aligned(to: alignment)
        else {
            throw PVITError(.containerLayout, "metadata, index and footer do not follow one another", bytes: range)
        }
    }
}
