import Storage

/// The content of a file of `torch.save`: its objects, and the range of each storage's bytes.
struct TorchLayout {
    /// The outermost value of the pickle.
    let root: PickleValue
    let heap: PickleHeap
    /// The bytes of the storages in the file, by key.
    let storages: [ExactText: Range<Int>]
    /// The archive's entries of the storages, by key; none for a file without archive.
    let entries: [ExactText: ZipArchive.Entry]

    /// Reads an archive: what `torch.save` writes since version 1.6.
    init(archive file: borrowing MappedFile) throws {
        let archive = try ZipArchive(of: file)
        let suffix = "/data.pkl"
        let pickles = archive.entries.filter {
            $0.name.hasSuffix(suffix) && !$0.name.dropLast(suffix.count).utf8.contains(UInt8(ascii: "/"))
        }
        guard let pickle = pickles.first, pickles.count == 1 else {
            throw PVITError(
                .torchNotCheckpoint,
                "this ZIP archive is not a PyTorch checkpoint: it has \(pickles.count) files data.pkl",
                remedy: "give the file that torch.save wrote; an archive of several files has to be unpacked first")
        }
        let folder = pickle.name.dropLast(suffix.count - 1)
        if archive.entry(named: folder + "constants.pkl") != nil {
            throw PVITError(
                .torchScript, "this is a compiled program (TorchScript), not a checkpoint",
                remedy: "save the model's weights: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)")
        }
        if let entry = archive.entry(named: folder + "byteorder") {
            let order = try file.withBytes(entry.bytes.prefix(16)) { try $0.copyBytes(0..<$0.byteCount) }
            guard order.elementsEqual("little".utf8) else { throw Self.bigEndian }
        }
        guard pickle.bytes.count <= Unpickler.maximumByteCount else {
            throw PVITError(
                .torchPickleLimit,
                "the pickle has \(ByteCount(pickle.bytes.count)), more than any state dictionary",
                bytes: UInt64(pickle.bytes.lowerBound)..<UInt64(pickle.bytes.upperBound))
        }
        let bytes = try file.withBytes(pickle.bytes) { try $0.copyBytes(0..<$0.byteCount) }
        var checksum = CRC32()
        checksum.update(bytes.span.bytes)
        try ChecksummedRange(pickle, tensor: nil).check(checksum)
        var unpickler = Unpickler(bytes, fileOffset: pickle.bytes.lowerBound)
        root = try unpickler.load()
        guard unpickler.position == bytes.count else {
            throw PVITError(
                .torchPickle, "data.pkl has bytes after the end of the pickle",
                bytes: UInt64(pickle.bytes.lowerBound + unpickler.position)..<UInt64(pickle.bytes.upperBound))
        }
        heap = unpickler.heap
        var entries: [ExactText: ZipArchive.Entry] = [:]
        let data = String(folder) + "data/"
        for entry in archive.entries {
            if let key = entry.name.dropping(prefix: data) { entries[ExactText(key)] = entry }
        }
        self.entries = entries
        storages = entries.mapValues(\.bytes)
    }

    /// Reads the sequence of pickles that `torch.save` wrote before version 1.6: a magic number, the version of the
    /// format, properties of the machine, the object, and the list of storages, which follow as a count and the
    /// elements.
    init(pickles file: borrowing MappedFile) throws {
        let bytes = try file.withBytes(0..<min(file.byteCount, Unpickler.maximumByteCount)) {
            try $0.copyBytes(0..<$0.byteCount)
        }
        var position = 0
        func next() throws -> (value: PickleValue, heap: PickleHeap) {
            var unpickler = Unpickler(bytes, from: position, fileOffset: 0)
            let value = try unpickler.load()
            position = unpickler.position
            return (value, unpickler.heap)
        }
        let magic = try next()
        guard case .wideInteger(Self.magicNumber) = magic.heap.object(magic.value)?.kind else {
            throw PVITError(
                .torchNotCheckpoint, "this is a pickle, but not one that torch.save wrote",
                bytes: 0..<UInt64(position), remedy: "save the model's state_dict with torch.save")
        }
        guard try next().value == .integer(1001) else {
            throw PVITError(
                .torchNotCheckpoint, "this is a PyTorch checkpoint of an unknown version of the format",
                bytes: 0..<UInt64(position), remedy: "load it with torch and save it again")
        }
        let machine = try next()
        guard machine.heap.member("little_endian", of: machine.value) == .bool(true) else { throw Self.bigEndian }
        (root, heap) = try next()
        let keys = try next()
        guard let names = keys.heap.sequence(keys.value) else {
            throw PVITError(.torchPickle, "the list of storages is not a list", bytes: 0..<UInt64(position))
        }
        storages = try Self.storages(names.map(keys.heap.string), described: heap.storages, in: file, from: position)
        entries = [:]
    }

    /// The bytes of storages that follow each other.
    private static func storages(
        _ keys: [String?], described: [TorchStorage], in file: borrowing MappedFile, from start: Int
    ) throws -> [ExactText: Range<Int>] {
        let known = Dictionary(described.map { (ExactText($0.key), $0) }) { first, _ in first }
        var result: [ExactText: Range<Int>] = [:]
        var position = start
        for key in keys {
            guard let key, let storage = known[ExactText(key)], result[ExactText(key)] == nil else {
                throw PVITError(
                    .torchStorage,
                    "the list of storages names \"\(key?.prefix(80) ?? "")\", which no tensor uses or which "
                        + "is listed twice", bytes: UInt64(start)..<UInt64(position))
            }
            guard file.byteCount - position >= 8 else { throw truncated(file, position) }
            let count: Int64 = try file.withBytes(position..<position + 8) { try $0.littleEndian(at: 0) }
            guard count == storage.count else {
                throw PVITError(
                    .torchStorage, "the storage \(key.prefix(80)) has \(count) elements, not \(storage.count)",
                    bytes: UInt64(position)..<UInt64(position + 8))
            }
            position += 8
            let (byteCount, overflow) = storage.count.multipliedReportingOverflow(by: storage.type.byteCount)
            guard !overflow, byteCount <= file.byteCount - position else { throw truncated(file, position) }
            result[ExactText(key)] = position..<position + byteCount
            position += byteCount
        }
        guard position == file.byteCount else {
            throw PVITError(
                .torchStorage, "the file has bytes after its last storage",
                bytes: UInt64(position)..<UInt64(file.byteCount))
        }
        return result
    }

    /// 0x1950A86A20F9469CFC6C, least significant byte first.
    private static let magicNumber: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

    private static var bigEndian: PVITError {
        PVITError(
            .torchByteOrder, "the file was written on a big-endian machine, or does not name the byte order",
            remedy: "load it with torch on a little-endian machine and save it again")
    }

    private static func truncated(_ file: borrowing MappedFile, _ position: Int) -> PVITError {
        PVITError(
            .torchStorage, "the file ends within its storages", bytes: UInt64(position)..<UInt64(file.byteCount),
            remedy: "download or copy the file again")
    }
}
