import Storage

/// The end of a ZIP archive: where its directory is.
struct ZipEndRecord {
    /// The bytes of the directory.
    let directory: Range<Int>
    /// The number of its records.
    let entryCount: Int

    private static let signature: UInt32 = 0x0605_4B50
    private static let locatorSignature: UInt32 = 0x0706_4B50
    private static let zip64Signature: UInt32 = 0x0606_4B50
    private static let byteCount = 22
    private static let locatorByteCount = 20
    private static let zip64ByteCount = 56

    /// Finds the end record and the ZIP64 end record, if there is one, and checks that they agree.
    init(of file: borrowing MappedFile) throws {
        let position = try Self.find(in: file)
        let (disks, diskEntries, entries, size, offset) = try file.withBytes(position..<position + Self.byteCount) {
            span in
            (
                try span.littleEndian(at: 4, as: UInt32.self), try span.littleEndian(at: 8, as: UInt16.self),
                try span.littleEndian(at: 10, as: UInt16.self), try span.littleEndian(at: 12, as: UInt32.self),
                try span.littleEndian(at: 16, as: UInt32.self)
            )
        }
        var fields = Fields(
            entryCount: UInt64(entries), diskEntryCount: UInt64(diskEntries), size: UInt64(size),
            offset: UInt64(offset))
        var directoryEnd = position
        if let zip64 = try Self.zip64Record(before: position, in: file) {
            let agrees =
                (entries == .max || UInt64(entries) == zip64.fields.entryCount)
                && (size == .max || UInt64(size) == zip64.fields.size)
                && (offset == .max || UInt64(offset) == zip64.fields.offset)
            guard agrees else { throw Self.malformed("the archive's two end records disagree", at: position) }
            fields = zip64.fields
            directoryEnd = zip64.position
        }
        guard disks == 0, fields.diskEntryCount == fields.entryCount else {
            throw Self.malformed("the archive is split into several files", at: position)
        }
        guard let offset = Int(exactly: fields.offset), let size = Int(exactly: fields.size),
            offset <= directoryEnd, size == directoryEnd - offset
        else {
            throw Self.malformed(
                "the archive's directory of \(fields.size) bytes at byte \(fields.offset) does not end at byte "
                    + "\(directoryEnd), where the end record begins", at: position)
        }
        guard fields.entryCount <= UInt64(size / ZipDirectoryRecord.byteCount) else {
            throw Self.malformed(
                "the archive says that it has \(fields.entryCount) entries, for which its directory of \(size) bytes "
                    + "is too small", at: position)
        }
        directory = offset..<directoryEnd
        entryCount = Int(fields.entryCount)
    }

    private struct Fields {
        let entryCount: UInt64
        let diskEntryCount: UInt64
        let size: UInt64
        let offset: UInt64
    }

    /// The offset of the last end record whose comment reaches exactly to the end of the file.
    private static func find(in file: borrowing MappedFile) throws -> Int {
        let tail = max(0, file.byteCount - byteCount - Int(UInt16.max))..<file.byteCount
        let position: Int? = try file.withBytes(tail) { span in
            var position = span.byteCount - byteCount
            while position >= 0 {
                if try span.littleEndian(at: position, as: UInt32.self) == signature {
                    let comment = Int(try span.littleEndian(at: position + 20, as: UInt16.self))
                    if position + byteCount + comment == span.byteCount { return tail.lowerBound + position }
                }
                position -= 1
            }
            return nil
        }
        guard let position else {
            throw PVITError(
                .torchArchive, "the file begins as a ZIP archive, but the archive's end is missing",
                bytes: UInt64(tail.lowerBound)..<UInt64(tail.upperBound), remedy: "download or copy the file again")
        }
        return position
    }

    /// The ZIP64 end record that the locator in front of the end record points to, or nil without a locator.
    private static func zip64Record(
        before end: Int, in file: borrowing MappedFile
    ) throws -> (fields: Fields, position: Int)? {
        let locator = end - locatorByteCount
        guard locator >= 0 else { return nil }
        let offset: UInt64? = try file.withBytes(locator..<end) { span in
            guard try span.littleEndian(at: 0, as: UInt32.self) == locatorSignature else { return nil }
            return try span.littleEndian(at: 8)
        }
        guard let offset else { return nil }
        guard let position = Int(exactly: offset), position <= locator, locator - position >= zip64ByteCount else {
            throw malformed("the archive's ZIP64 end record cannot be at byte \(offset)", at: locator)
        }
        return try file.withBytes(position..<locator) { span in
            guard try span.littleEndian(at: 0, as: UInt32.self) == zip64Signature,
                try span.littleEndian(at: 4, as: UInt64.self) == UInt64(span.byteCount - 12)
            else { throw malformed("the archive's ZIP64 end record is not valid", at: position) }
            guard try span.littleEndian(at: 16, as: UInt64.self) == 0 else {
                throw malformed("the archive is split into several files", at: position)
            }
            let fields = Fields(
                entryCount: try span.littleEndian(at: 32), diskEntryCount: try span.littleEndian(at: 24),
                size: try span.littleEndian(at: 40), offset: try span.littleEndian(at: 48))
            return (fields, position)
        }
    }

    private static func malformed(_ what: String, at position: Int) -> PVITError {
        PVITError(
            .torchArchive, what, bytes: UInt64(position)..<UInt64(position) + UInt64(byteCount),
            remedy: "download or copy the file again")
    }
}

/// One record of a ZIP archive's directory, with the ZIP64 fields resolved.
struct ZipDirectoryRecord {
    /// The size of a record without name, extra field and comment.
    static let byteCount = 46
    private static let signature: UInt32 = 0x0201_4B50
    private static let localSignature: UInt32 = 0x0403_4B50
    private static let localByteCount = 30
    /// Sizes follow the content instead of being in the local header.
    private static let hasDescriptor: UInt16 = 1 << 3

    let name: String
    let checksum: UInt32
    let headerOffset: Int
    /// Where the record lies in the file.
    let range: Range<UInt64>
    private let contentByteCount: Int
    private let nameLength: Int

    /// The offset of the next record.
    var end: Int { Int(range.upperBound) }

    init(in file: borrowing MappedFile, at position: Int, before limit: Int) throws {
        let malformed = PVITError(
            .torchArchive, "the archive's directory is not valid", bytes: UInt64(position)..<UInt64(limit),
            remedy: "download or copy the file again")
        guard limit - position >= Self.byteCount else { throw malformed }
        self = try file.withBytes(position..<limit) { span in
            guard try span.littleEndian(at: 0, as: UInt32.self) == Self.signature else { throw malformed }
            let nameLength = Int(try span.littleEndian(at: 28, as: UInt16.self))
            let extraLength = Int(try span.littleEndian(at: 30, as: UInt16.self))
            let commentLength = Int(try span.littleEndian(at: 32, as: UInt16.self))
            let length = Self.byteCount + nameLength + extraLength + commentLength
            guard length <= span.byteCount else { throw malformed }
            return try Self(
                span.extracting(first: length), at: position, nameLength: nameLength, extraLength: extraLength)
        }
    }

    private init(_ span: RawSpan, at position: Int, nameLength: Int, extraLength: Int) throws {
        range = UInt64(position)..<UInt64(position + span.byteCount)
        self.nameLength = nameLength
        let nameEnd = Self.byteCount + nameLength
        guard let name = String(validating: try span.copyBytes(Self.byteCount..<nameEnd), as: UTF8.self) else {
            throw PVITError(.torchArchiveName, "the name of an entry is not UTF-8", bytes: range)
        }
        self.name = name
        checksum = try span.littleEndian(at: 16)
        let flags: UInt16 = try span.littleEndian(at: 8)
        guard flags & 1 == 0 else {
            throw PVITError(.torchCompressed, "the entry \(name) is encrypted", bytes: range)
        }
        guard try span.littleEndian(at: 10, as: UInt16.self) == 0 else {
            throw PVITError(
                .torchCompressed, "the entry \(name) is compressed, so it cannot be read in place", bytes: range,
                remedy:
                    "store it: unpack the archive, then pack it again with `zip -0 -r`, or load and save it with torch"
            )
        }
        var extra = try Zip64Extra(in: span, nameEnd..<nameEnd + extraLength, at: range)
        let size = try extra.resolve(try span.littleEndian(at: 24, as: UInt32.self))
        let storedSize = try extra.resolve(try span.littleEndian(at: 20, as: UInt32.self))
        let offset = try extra.resolve(try span.littleEndian(at: 42, as: UInt32.self))
        guard size == storedSize, let size = Int(exactly: size), let offset = Int(exactly: offset),
            try span.littleEndian(at: 34, as: UInt16.self) == 0
        else {
            throw PVITError(
                .torchArchiveEntry, "sizes, offset or disk of the entry \(name) are not possible", bytes: range)
        }
        contentByteCount = size
        headerOffset = offset
    }

    /// The bytes of the content. Checks that the local header says the same as this record.
    ///
    /// - Parameter limit: Where the directory begins, before which the content must end.
    func contentRange(in file: borrowing MappedFile, before limit: Int) throws -> Range<Int> {
        guard headerOffset <= limit, limit - headerOffset >= Self.localByteCount + nameLength else {
            throw inconsistent("lies outside the archive")
        }
        let start = try file.withBytes(headerOffset..<limit) { span in
            guard try span.littleEndian(at: 0, as: UInt32.self) == Self.localSignature else {
                throw inconsistent("has no local header")
            }
            let flags: UInt16 = try span.littleEndian(at: 6)
            let localNameLength = Int(try span.littleEndian(at: 26, as: UInt16.self))
            let extraLength = Int(try span.littleEndian(at: 28, as: UInt16.self))
            let nameEnd = Self.localByteCount + nameLength
            guard flags & 1 == 0, try span.littleEndian(at: 8, as: UInt16.self) == 0, localNameLength == nameLength,
                try span.copyBytes(Self.localByteCount..<nameEnd).elementsEqual(name.utf8),
                extraLength <= span.byteCount - nameEnd
            else { throw inconsistent("has a local header with another name or method") }
            var extra = try Zip64Extra(in: span, nameEnd..<nameEnd + extraLength, at: range)
            let checksum: UInt32 = try span.littleEndian(at: 14)
            let size = try extra.resolve(try span.littleEndian(at: 22, as: UInt32.self))
            let storedSize = try extra.resolve(try span.littleEndian(at: 18, as: UInt32.self))
            let agrees =
                checksum == self.checksum && size == UInt64(contentByteCount) && storedSize == UInt64(contentByteCount)
            let isLeftOpen = flags & Self.hasDescriptor != 0 && checksum == 0 && size == 0 && storedSize == 0
            guard agrees || isLeftOpen else { throw inconsistent("has a local header with other sizes or checksum") }
            return headerOffset + nameEnd + extraLength
        }
        guard contentByteCount <= limit - start else {
            throw inconsistent("of \(contentByteCount) bytes does not fit into the archive")
        }
        return start..<start + contentByteCount
    }

    private func inconsistent(_ what: String) -> PVITError {
        PVITError(
            .torchArchiveEntry, "the entry \(name) \(what)", bytes: range,
            remedy: "download or copy the file again; if that does not help, do not trust it")
    }
}

/// The extra field of ZIP64: the values that do not fit the 32-bit fields of a record, in a fixed order.
private struct Zip64Extra {
    private var values: [UInt64] = []
    private let range: Range<UInt64>
    /// The most extra fields. `torch.save` writes one or two.
    private static let maximumFieldCount = 64

    /// Looks for the field among the extra fields in `bytes` of `span`.
    init(in span: RawSpan, _ bytes: Range<Int>, at range: Range<UInt64>) throws {
        self.range = range
        var position = bytes.lowerBound
        var isFound = false
        var fieldCount = 0
        while bytes.upperBound - position >= 4 {
            let tag: UInt16 = try span.littleEndian(at: position)
            let length = Int(try span.littleEndian(at: position + 2, as: UInt16.self))
            position += 4
            fieldCount += 1
            guard fieldCount <= Self.maximumFieldCount else {
                throw PVITError(
                    .torchArchiveLimit, "the entry has more than \(Self.maximumFieldCount) extra fields", bytes: range,
                    remedy: "this file was not written by torch.save; do not trust it")
            }
            guard length <= bytes.upperBound - position else { break }
            if tag == 1 {
                guard !isFound else { throw malformed("the entry has two ZIP64 fields") }
                isFound = true
                for index in 0..<min(length / 8, 3) {
                    values.append(try span.littleEndian(at: position + index * 8))
                }
            }
            position += length
        }
        values.reverse()
    }

    /// The 32-bit value, or the next 64-bit one if the value refers to it.
    mutating func resolve(_ value: UInt32) throws -> UInt64 {
        guard value == .max else { return UInt64(value) }
        guard let wide = values.popLast() else { throw malformed("the entry lacks a ZIP64 value") }
        return wide
    }

    private func malformed(_ what: String) -> PVITError { PVITError(.torchArchiveEntry, what, bytes: range) }
}
