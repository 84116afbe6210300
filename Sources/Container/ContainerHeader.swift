import Storage

/// Version and feature flags, which both header and footer contain.
struct ContainerFeatures: Equatable {
    var version: UInt32
    /// Features that a reader must support.
    var required: UInt64
    /// Features that a reader may ignore.
    var ignorable: UInt64

    /// The lowest version and the features that a new file needs.
    init(needsBase: Bool) {
        self.init(version: 1, required: needsBase ? ContainerFormat.baseFeature : 0, ignorable: 0)
    }

    init(version: UInt32, required: UInt64, ignorable: UInt64) {
        self.version = version
        self.required = required
        self.ignorable = ignorable
    }

    /// Whether the file is a packed delta.
    var needsBase: Bool { required & ContainerFormat.baseFeature != 0 }

    /// Throws unless this module can read the file.
    func check() throws {
        guard version >= 1, version <= ContainerFormat.version else {
            throw PVITError(
                .containerVersion,
                "the container has version \(version), but this program reads versions up to "
                    + "\(ContainerFormat.version)", remedy: "use a newer version of pvit")
        }
        let unknown = required & ~ContainerFormat.knownFeatures
        guard unknown == 0 else {
            throw PVITError(
                .containerFeatures,
                "the container needs features that this program does not support: 0x"
                    + String(unknown, radix: 16), remedy: "use a newer version of pvit")
        }
    }
}

/// The first 64 bytes of a container (`formats/pvq.md`, "Header").
struct ContainerHeader {
    var features: ContainerFeatures

    /// The header's bytes.
    func encoded() -> [UInt8] {
        var bytes = ContainerFormat.startMagic
        bytes.appendLittleEndian(features.version)
        bytes.appendLittleEndian(UInt32(0))
        bytes.appendLittleEndian(features.required)
        bytes.appendLittleEndian(features.ignorable)
        bytes += repeatElement(0, count: 24)
        bytes.appendLittleEndian(xxh3(bytes.span.bytes))
        return bytes
    }

    init(features: ContainerFeatures) { self.features = features }

    /// Reads a header from the start of `span`.
    init(_ span: RawSpan) throws {
        let magic = ContainerFormat.startMagic
        guard span.byteCount >= magic.count, try span.copyBytes(0..<magic.count) == magic else {
            throw PVITError(
                .notAContainer, "this is not a .pvq container", bytes: 0..<UInt64(magic.count),
                remedy: "check that this is the right file, and that it was copied as binary data")
        }
        let size = ContainerFormat.headerByteCount
        let bytes = 0..<UInt64(size)
        guard span.byteCount >= size else {
            throw PVITError(.containerEnd, "the file ends within its header", bytes: bytes, remedy: .copyAgain)
        }
        guard try span.littleEndian(at: size - 8) == xxh3(span.extracting(0..<size - 8)) else {
            throw PVITError(.containerHeader, "the header is damaged", bytes: bytes, remedy: .copyAgain)
        }
        features = ContainerFeatures(
            version: try span.littleEndian(at: 8), required: try span.littleEndian(at: 16),
            ignorable: try span.littleEndian(at: 24))
        try features.check()
        let reserved =
            try UInt64(span.littleEndian(at: 12, as: UInt32.self)) | span.littleEndian(at: 32)
            | span.littleEndian(at: 40) | span.littleEndian(at: 48)
        guard reserved == 0 else {
            throw PVITError(.containerPadding, "reserved bytes of the header are not zero", bytes: bytes)
        }
    }
}

extension String {
    /// The remedy for a damaged file.
    static let copyAgain = "copy or download the file again"
}
