import CheckpointTestSupport
import Storage

private typealias P = PickleBytes

/// Archives that contradict themselves, and files of the other formats of torch.save.
let hostileArchives: [HostileFile] = {
    let pickle = P.pickle(P.dictionary(("weight", P.vector(2))))
    func changed(_ name: String, _ code: String, _ words: String = "", _ change: (inout ZipBytes) -> Void)
        -> HostileFile
    {
        var zip = ZipBytes(pickle: pickle, storages: [[1, 2, 3, 4, 5, 6, 7, 8]])
        change(&zip)
        return HostileFile(name: "archive: " + name, bytes: zip.bytes, code: "torch." + code, words: words)
    }
    func renamed(_ name: String) -> HostileFile {
        changed("an entry called \(name.debugDescription)", "archive-name") { $0.entries.append(.init(name, [1])) }
    }
    func zip64(_ values: UInt64...) -> [UInt8] {
        var extra: [UInt8] = [1, 0, UInt8(values.count * 8), 0]
        for value in values { extra.appendLittleEndian(value) }
        return extra
    }
    return [
        renamed("../evil"), renamed("archive/../../evil"), renamed("/etc/passwd"), renamed("archive//x"), renamed(""),
        renamed("archive\\..\\evil"), renamed("./x"), renamed("archive/x\0y"), renamed("archive/"),
        renamed(String(repeating: "a", count: 2000)),
        changed("a name that is not UTF-8", "archive-name") { $0.entries[2].name = [0x61, 0xFF] },
        changed("two entries of one name", "archive-duplicate", "data/0") { $0.entries.append($0.entries[1]) },
        changed("two entries with one local header", "archive-entry") { $0.entries[2].offset = 0 },
        changed("an entry inside another one", "archive-overlap") {
            let inner = ZipBytes([.init("archive/data/1", [1, 2])]).bytes
            $0.entries[1].content = inner
            var entry = ZipBytes.Entry("archive/data/1", [1, 2])
            entry.offset = UInt32(30 + 16 + $0.entries[0].content.count + 30 + 14)
            $0.entries.append(entry)
        },
        changed("a wrong checksum of the pickle", "checksum", "data.pkl") { $0.entries[0].checksum = 1 },
        changed("another name in the local header", "archive-entry") {
            $0.entries[1].localName = Array("archive/data/1".utf8)
        },
        changed("another size in the local header", "archive-entry") { $0.entries[1].localSize = 7 },
        changed("a size past the archive", "archive-entry", "fit") { $0.entries[2].size = 1_000_000 },
        changed("a size that reaches into the next entry", "archive-overlap") { $0.entries[1].size = 20 },
        changed("a compressed entry", "compressed", "zip -0") { $0.entries[1].method = 8 },
        changed("an encrypted entry", "compressed", "encrypted") { $0.entries[1].flags |= 1 },
        changed("an offset past the archive", "archive-entry") { $0.entries[1].offset = 1_000_000 },
        changed("an offset that is no local header", "archive-entry") { $0.entries[1].offset = 3 },
        changed("an entry of 2^63 bytes", "archive-entry") {
            $0.entries[1].size = .max
            $0.entries[1].extra = zip64(1 << 63, 1 << 63)
        },
        changed("an entry of 2^62 bytes", "archive-entry", "fit") {
            $0.entries[1].size = .max
            $0.entries[1].extra = zip64(1 << 62, 1 << 62)
        },
        changed("two sizes of one entry", "archive-entry") {
            $0.entries[1].size = .max
            $0.entries[1].extra = zip64(8, 9)
        },
        changed("an offset of 2^64 - 1", "archive-entry") {
            $0.entries[1].offset = .max
            $0.entries[1].extra = zip64(.max)
        },
        changed("a ZIP64 size that is absent", "archive-entry", "ZIP64") { $0.entries[1].size = .max },
        changed("a ZIP64 field that is cut", "archive-entry", "ZIP64") {
            $0.entries[1].size = .max
            $0.entries[1].extra = [1, 0, 16, 0, 1, 2, 3]
        },
        changed("two ZIP64 fields", "archive-entry", "ZIP64") { $0.entries[1].extra = zip64(8) + zip64(8) },
        changed("16000 empty extra fields", "archive-limit", "extra fields") {
            $0.entries[1].extra = (0..<16_000).flatMap { _ in [7, 7, 0, 0] as [UInt8] }
        },
        changed("more entries than are read", "archive-limit", "65539 entries") {
            $0.entries += (0..<1 << 16).map { .init("archive/data/1\($0)", []) }
            $0.count = .max
            $0.zip64 = (nil, nil, nil, nil)
        },
        changed("2^60 entries", "archive", "disagree") { $0.zip64 = (1 << 60, nil, nil, nil) },
        changed("2^60 entries in both end records", "archive", "entries") {
            $0.count = .max
            $0.zip64 = (1 << 60, nil, nil, nil)
        },
        changed("a directory of 2^63 bytes", "archive") {
            $0.directorySize = .max
            $0.zip64 = (nil, 1 << 63, nil, nil)
        },
        changed("a directory at 2^62", "archive") {
            $0.directoryOffset = .max
            $0.zip64 = (nil, nil, 1 << 62, nil)
        },
        changed("a ZIP64 end record at 2^64 - 1", "archive", "ZIP64") { $0.zip64 = (nil, nil, nil, .max) },
        changed("a ZIP64 end record at 0", "archive", "ZIP64") { $0.zip64 = (nil, nil, nil, 0) },
        changed("more entries than there are", "archive") { $0.count = 4 },
        changed("fewer entries than there are", "archive", "after") { $0.count = 2 },
        changed("65535 entries", "archive") { $0.count = .max },
        changed("a directory that begins too late", "archive") { $0.directoryOffset = 100_000 },
        changed("a directory that begins too early", "archive") { $0.directoryOffset = 0 },
        changed("bytes between directory and end", "archive") { $0.gap = [0] },
        changed("one disk of several", "archive", "split") { $0.disk = 1 },
        changed("no pickle", "not-a-checkpoint", "data.pkl") { $0.entries.remove(at: 0) },
        changed("no entries", "not-a-checkpoint", "data.pkl") { $0.entries = [.init("a", [1])] },
        changed("two pickles", "not-a-checkpoint", "2 files") { $0.entries.append(.init("other/data.pkl", [1])) },
        changed("an empty pickle", "pickle-truncated") { $0.entries[0].content = [] },
        changed("bytes after the pickle", "pickle", "after") { $0.entries[0].content += [0x2E] },
        changed("a pickle of protocol 0", "pickle", "protocol") { $0.entries[0].content = Array("(dp0\n.".utf8) },
        changed("a pickle of protocol 6", "pickle", "protocol") { $0.entries[0].content[1] = 6 },
        changed("a pickle without values", "pickle", "0 values") { $0.entries[0].content = [0x80, 2, 0x2E] },
        changed("a pickle of no tensors", "no-weights") { $0.entries[0].content = [0x80, 2, 0x7D, 0x2E] },
        changed("a pickle of one tensor", "no-weights", "name") { $0.entries[0].content = P.pickle(P.vector(2)) },
        changed("a compiled program", "script", "TorchScript") {
            $0.entries.append(.init("archive/constants.pkl", [1]))
        },
        changed("a big-endian checkpoint", "byte-order", "big-endian") {
            $0.entries.append(.init("archive/byteorder", Array("big".utf8)))
        },
        HostileFile(
            name: "archive: no end", bytes: Array(ZipBytes(pickle: pickle).bytes.dropLast(22)), code: "torch.archive"),
        HostileFile(
            name: "archive: bytes after the end", bytes: ZipBytes(pickle: pickle).bytes + [0], code: "torch.archive"),
        HostileFile(name: "archive: four bytes", bytes: [0x50, 0x4B, 3, 4], code: "torch.archive"),
        HostileFile(
            name: "tar",
            bytes: Array("storages".utf8) + [UInt8](repeating: 0, count: 249) + Array("ustar  ".utf8)
                + [UInt8](repeating: 0, count: 1000), code: "torch.tar", words: "torch.save(torch.load("),
    ]
}()

/// Files without archive, as torch.save wrote them before version 1.6.
let hostileLegacyFiles: [HostileFile] = {
    let magic: [UInt8] = [0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    let version = P.pickle([0x4D, 0xE9, 3])
    let machine = P.pickle(P.dictionary(("little_endian", [0x88])))
    let weights = P.pickle(P.dictionary(("weight", P.vector(2))))
    let keys = P.pickle([0x5D] + P.text("0") + [0x61])
    func file(_ name: String, _ code: String, _ words: String, _ parts: [UInt8]...) -> HostileFile {
        HostileFile(name: "pickles: " + name, bytes: parts.flatMap { $0 }, code: "torch." + code, words: words)
    }
    func count(_ count: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(count)
        return bytes
    }
    let head = P.pickle(magic) + version + machine
    let data = [UInt8](repeating: 0, count: 8)
    return [
        file("of something else", "not-a-checkpoint", "torch.save", P.pickle(P.dictionary(("a", [0x88])))),
        file("another magic number", "not-a-checkpoint", "torch.save", P.pickle(magic.dropLast() + [0x18]), version),
        file("another version", "not-a-checkpoint", "version", P.pickle(magic), P.pickle([0x4D, 0xEA, 3]), machine),
        file(
            "a big-endian machine", "byte-order", "big-endian", P.pickle(magic), version,
            P.pickle(P.dictionary(("little_endian", [0x89])))),
        file(
            "code in the facts of the machine", "pickle-global", "os.system", P.pickle(magic), version,
            P.pickle(P.call(P.global("os", "system"), P.text("true")))),
        file("no list of storages", "pickle", "list", head, weights, P.pickle([0x88])),
        file(
            "an unknown storage", "storage", "\"1\"", head, weights, P.pickle([0x5D] + P.text("1") + [0x61]), count(2),
            data),
        file(
            "a storage twice", "storage", "\"0\"", head, weights,
            P.pickle([0x5D] + P.text("0") + [0x61] + P.text("0") + [0x61]), count(2), data, count(2), data),
        file("a storage of another size", "storage", "3 elements", head, weights, keys, count(3), data, data),
        file("a storage of 2^62 elements", "storage", "elements", head, weights, keys, count(1 << 62), data),
        file("a cut storage", "storage", "ends", head, weights, keys, count(2), [1, 2, 3]),
        file("a cut count", "storage", "ends", head, weights, keys, [1, 2, 3]),
        file("bytes after the storages", "storage", "after its last", head, weights, keys, count(2), data, [0]),
        file("a tensor without storage", "storage", "not in the file", head, weights, P.pickle([0x5D])),
    ]
}()
