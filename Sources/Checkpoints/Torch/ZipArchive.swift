import Storage

/// The directory of a ZIP archive whose entries are stored, not compressed, so that they can be read in place.
///
/// Reads ZIP and ZIP64 (PKWARE APPNOTE 6.3.9) as `torch.save` writes them: one disk, nothing
/// in front of the archive. A value of this type satisfies: the directory ends exactly where the end records begin;
/// every name is proper UTF-8, relative, without `.` and `..`, and occurs once; every entry's local header says the
/// same as the directory; and no two entries share a byte.
struct ZipArchive {
    struct Entry: Sendable {
        /// The name with its folders.
        let name: String
        /// The range of the content in the file.
        let bytes: Range<Int>
        /// The CRC-32 of the content.
        let checksum: UInt32
        /// The offset of the local header.
        fileprivate let headerOffset: Int
    }

    /// The entries in the order of the directory.
    let entries: [Entry]
    private let indices: [String: Int]

    /// The most entries. `torch.save` writes one for each storage; the largest models have a few thousand.
    private static let maximumEntryCount = 1 << 16
    /// The largest directory, in bytes.
    private static let maximumDirectoryByteCount = 16 << 20
    /// The longest name, in bytes.
    private static let maximumNameLength = 1024

    /// Reads and checks the directory.
    ///
    /// Time and memory are bounded by the caps on entries, on the directory and on the extra fields, whatever the file
    /// says.
    ///
    /// - Throws: A `torch.archive*` error or `torch.compressed`, naming bytes.
    init(of file: borrowing MappedFile) throws {
        let end = try ZipEndRecord(of: file)
        guard end.entryCount <= Self.maximumEntryCount, end.directory.count <= Self.maximumDirectoryByteCount else {
            throw PVITError(
                .torchArchiveLimit,
                "the archive has \(end.entryCount) entries in a directory of \(ByteCount(end.directory.count)); "
                    + "at most \(Self.maximumEntryCount) in \(ByteCount(Self.maximumDirectoryByteCount)) are read",
                bytes: UInt64(end.directory.lowerBound)..<UInt64(end.directory.upperBound),
                remedy: "save the weights in several files")
        }
        var entries: [Entry] = []
        var indices: [String: Int] = [:]
        entries.reserveCapacity(end.entryCount)
        var position = end.directory.lowerBound
        for _ in 0..<end.entryCount {
            let record = try ZipDirectoryRecord(in: file, at: position, before: end.directory.upperBound)
            position = record.end
            try Self.checkName(record.name, at: record.range)
            guard indices.updateValue(entries.count, forKey: record.name) == nil else {
                throw PVITError(
                    .torchArchiveDuplicate, "the archive has two entries called \(record.name)", bytes: record.range)
            }
            let bytes = try record.contentRange(in: file, before: end.directory.lowerBound)
            entries.append(
                Entry(name: record.name, bytes: bytes, checksum: record.checksum, headerOffset: record.headerOffset))
        }
        guard position == end.directory.upperBound else {
            throw PVITError(
                .torchArchive, "the archive's directory has bytes after its last entry",
                bytes: UInt64(position)..<UInt64(end.directory.upperBound))
        }
        try Self.checkOverlap(entries)
        self.entries = entries
        self.indices = indices
    }

    /// The entry of a name, or nil.
    func entry(named name: String) -> Entry? { indices[name].map { entries[$0] } }

    private static func checkName(_ name: String, at bytes: Range<UInt64>) throws {
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isProper =
            name.utf8.count <= maximumNameLength && !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "\\") })
            && parts.allSatisfy { !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) }
        guard isProper else {
            throw PVITError(
                .torchArchiveName, "the archive has an entry with the invalid name \"\(name.prefix(80))\"",
                bytes: bytes, remedy: "this file was not written by torch.save; do not trust it")
        }
    }

    private static func checkOverlap(_ entries: [Entry]) throws {
        let sorted = entries.sorted { $0.headerOffset < $1.headerOffset }
        for (entry, next) in zip(sorted, sorted.dropFirst()) where entry.bytes.upperBound > next.headerOffset {
            throw PVITError(
                .torchArchiveOverlap, "the entries \(entry.name) and \(next.name) share bytes",
                bytes: UInt64(next.headerOffset)..<UInt64(entry.bytes.upperBound),
                remedy: "this file was not written by torch.save; do not trust it")
        }
    }
}
