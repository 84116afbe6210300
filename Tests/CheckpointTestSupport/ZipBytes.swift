import Storage

/// A ZIP archive of stored entries, byte by byte, with any lie that a test wants.
public struct ZipBytes {
    /// One entry. What is nil is written truthfully.
    public struct Entry {
        /// The name in the directory.
        public var name: [UInt8]
        /// The content.
        public var content: [UInt8]
        /// The name in the local header.
        public var localName: [UInt8]?
        /// The checksum in the directory.
        public var checksum: UInt32?
        /// The content's size in the directory.
        public var size: UInt32?
        /// The size in the local header; like the checksum there 0 with flag 3, as torch writes it.
        public var localSize: UInt32?
        /// The general purpose flags.
        public var flags: UInt16 = 0x0808
        /// The compression method.
        public var method: UInt16 = 0
        /// The offset of the local header.
        public var offset: UInt32?
        /// The extra field in the directory.
        public var extra: [UInt8] = []

        /// Creates a truthful entry.
        public init(_ name: String, _ content: [UInt8]) {
            self.name = Array(name.utf8)
            self.content = content
        }
    }

    /// The entries.
    public var entries: [Entry]
    /// The number of entries in the end record.
    public var count: UInt16?
    /// The directory's size in the end record.
    public var directorySize: UInt32?
    /// The directory's offset in the end record.
    public var directoryOffset: UInt32?
    /// The number of this disk.
    public var disk: UInt16 = 0
    /// Whether to write ZIP64 end records, and what they say.
    public var zip64: (count: UInt64?, size: UInt64?, offset: UInt64?, recordOffset: UInt64?)?
    /// Bytes in front of the end records that nothing accounts for.
    public var gap: [UInt8] = []

    /// Creates an archive.
    public init(_ entries: [Entry]) { self.entries = entries }

    /// What `torch.save` writes for a pickle and storages called 0, 1, …
    public init(pickle: [UInt8], storages: [[UInt8]] = []) {
        self.init(
            [Entry("archive/data.pkl", pickle)]
                + storages.enumerated().map { Entry("archive/data/\($0)", $1) } + [
                    Entry("archive/version", [0x33, 10])
                ])
    }

    /// The file.
    public var bytes: [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = UInt32(file.count)
            let localName = entry.localName ?? entry.name
            file.appendLittleEndian(UInt32(0x0403_4B50))
            for value in [0, entry.flags, entry.method, 0, 0] as [UInt16] { file.appendLittleEndian(value) }
            let isOpen = entry.flags & 8 != 0
            let size = UInt32(entry.content.count)
            file.appendLittleEndian(isOpen ? 0 : crc32(entry.content))
            file.appendLittleEndian(entry.localSize ?? (isOpen ? 0 : size))
            file.appendLittleEndian(entry.localSize ?? (isOpen ? 0 : size))
            file.appendLittleEndian(UInt16(localName.count))
            file.appendLittleEndian(UInt16(0))
            file += localName + entry.content
            directory.appendLittleEndian(UInt32(0x0201_4B50))
            for value in [0, 0, entry.flags, entry.method, 0, 0] as [UInt16] { directory.appendLittleEndian(value) }
            directory.appendLittleEndian(entry.checksum ?? crc32(entry.content))
            directory.appendLittleEndian(entry.size ?? size)
            directory.appendLittleEndian(entry.size ?? size)
            for value in [entry.name.count, entry.extra.count, 0, 0, 0, 0, 0] {
                directory.appendLittleEndian(UInt16(value))
            }
            directory.appendLittleEndian(entry.offset ?? offset)
            directory += entry.name + entry.extra
        }
        let start = file.count
        file += directory + gap
        let size = directory.count
        if let zip64 {
            let place = file.count
            file.appendLittleEndian(UInt32(0x0606_4B50))
            file.appendLittleEndian(UInt64(44))
            for value in [45, 45] as [UInt16] { file.appendLittleEndian(value) }
            file.appendLittleEndian(UInt64(0))
            let count = zip64.count ?? UInt64(entries.count)
            for value in [count, count, zip64.size ?? UInt64(size), zip64.offset ?? UInt64(start)] {
                file.appendLittleEndian(value)
            }
            file.appendLittleEndian(UInt32(0x0706_4B50))
            file.appendLittleEndian(UInt32(0))
            file.appendLittleEndian(zip64.recordOffset ?? UInt64(place))
            file.appendLittleEndian(UInt32(1))
        }
        file.appendLittleEndian(UInt32(0x0605_4B50))
        file.appendLittleEndian(disk)
        file.appendLittleEndian(UInt16(0))
        file.appendLittleEndian(count ?? UInt16(entries.count))
        file.appendLittleEndian(count ?? UInt16(entries.count))
        file.appendLittleEndian(directorySize ?? UInt32(size))
        file.appendLittleEndian(directoryOffset ?? UInt32(start))
        file.appendLittleEndian(UInt16(0))
        return file
    }
}

/// CRC-32, one byte at a time.
public func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { state, byte in state >> 8 ^ crcTable[Int(state & 0xFF) ^ Int(byte)] }
}

/// What each value of a byte adds to the checksum: eight steps of one bit.
private let crcTable: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
}
