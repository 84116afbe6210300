import Storage
import SystemPackage
import Tensors

/// The header of a GGUF file: its metadata, and which tensors it holds and where.
///
/// The format is described in docs/gguf.md of ggml: `GGUF`, a version, the numbers of tensors and keys, the key-value
/// pairs, a record for each tensor, and the tensors' bytes, each at a multiple of an alignment. A value of this type
/// satisfies every rule: nothing occurs twice, each type and shape fits its bytes, and tensors lie inside the file
/// without overlaps.
struct GGUFHeader: TensorFileHeader {
    /// A tensor and its bytes.
    struct Entry: TensorFileEntry {
        /// Name, shape (outermost extent first) and the type of the elements as they are delivered.
        let tensor: TensorDescription
        /// The type of the elements in the file.
        let type: GGUFType
        /// The range of the elements in the file.
        let bytes: Range<Int>
    }

    /// The most tensors. The largest models have a few thousand.
    static let maximumTensorCount = 262_144
    /// The longest tensor name, in bytes. ggml has 63.
    static let maximumNameByteCount = 255
    /// The most extents of a tensor: ggml's own limit.
    static let maximumRank = 4
    static let defaultAlignment = 32

    /// 2 or 3. They differ only in big-endian files, which are not supported.
    let version: UInt32
    /// The key-value pairs.
    let metadata: GGUFMetadata
    /// The tensors in the order of their bytes.
    let entries: [Entry]

    /// Reads and checks the header of a file.
    ///
    /// - Throws: One `gguf.*` error for each rule, naming tensor and bytes.
    init(of file: borrowing MappedFile) throws {
        do {
            self = try file.withBytes(0..<file.byteCount) { try GGUFHeader($0) }
        } catch let error as PVITError {
            throw error.located(file: file.path)
        }
    }

    private init(_ bytes: RawSpan) throws {
        var cursor = GGUFCursor(offset: 0)
        let magic: UInt32 = try cursor.integer(bytes, "the first four bytes")
        guard magic == 0x4655_4747 else {
            throw PVITError(.ggufMagic, "the file does not begin with GGUF", bytes: 0..<4)
        }
        version = try Self.version(bytes, &cursor)
        let tensorCount = try Self.count(
            "tensors", bytes, &cursor, bytesForEach: 24, atMost: Self.maximumTensorCount)
        let keyCount = try Self.count(
            "keys", bytes, &cursor, bytesForEach: 13, atMost: GGUFMetadata.maximumCount)
        metadata = try GGUFMetadata(bytes, count: keyCount, &cursor)
        let alignment = try Self.alignment(metadata, bytes)
        var records: [Record] = []
        var names: Set<TensorName> = []
        for _ in 0..<tensorCount {
            let record = try Record(bytes, &cursor)
            guard names.insert(record.tensor.name).inserted else {
                throw PVITError(
                    .ggufDuplicateTensor, "two tensors have this name", tensor: record.tensor.name,
                    bytes: record.range)
            }
            records.append(record)
        }
        let (padded, overflow) = cursor.offset.addingReportingOverflow(alignment - 1)
        guard !overflow else {
            throw PVITError(.ggufAlignment, "the alignment of \(alignment) bytes is too large")
        }
        let dataOffset = padded / alignment * alignment
        entries = try Self.sorted(records, from: dataOffset, to: bytes.byteCount, alignment: alignment)
    }

    private static func version(_ bytes: RawSpan, _ cursor: inout GGUFCursor) throws -> UInt32 {
        let version: UInt32 = try cursor.integer(bytes, "the version")
        switch version {
        case 2, 3: return version
        case 1:
            throw PVITError(
                .ggufVersion, "version 1 of the format is not supported", bytes: 4..<8,
                remedy: "convert the model again; llama.cpp has written version 2 since August 2023")
        case _ where (1...0xFFFF).contains(version.byteSwapped):
            throw PVITError(
                .ggufBigEndian, "this is a big-endian file, which is not supported", bytes: 4..<8,
                remedy: "convert it with gguf_convert_endian.py of llama.cpp")
        default:
            throw PVITError(
                .ggufVersion, "version \(version) of the format is not known; 2 and 3 are", bytes: 4..<8)
        }
    }

    private static func count(
        _ what: String, _ bytes: RawSpan, _ cursor: inout GGUFCursor, bytesForEach size: Int, atMost limit: Int
    ) throws -> Int {
        let offset = cursor.offset
        let count: UInt64 = try cursor.integer(bytes, "the number of \(what)")
        let room = min(limit, (bytes.byteCount - cursor.offset) / size)
        guard count <= UInt64(room) else {
            let reason = count > UInt64(limit) ? "at most \(limit) are read" : "the file has no room for them"
            throw PVITError(
                .ggufCount, "the file should have \(count) \(what), but \(reason)",
                bytes: UInt64(offset)..<UInt64(offset + 8))
        }
        return Int(count)
    }

    private static func alignment(_ metadata: GGUFMetadata, _ bytes: RawSpan) throws -> Int {
        guard let location = metadata["general.alignment"] else { return defaultAlignment }
        let range = UInt64(location.bytes.lowerBound)..<UInt64(location.bytes.upperBound)
        guard location.type == .u32, location.count == nil else {
            throw PVITError(.ggufAlignment, "general.alignment is not an unsigned 32-bit number", bytes: range)
        }
        let alignment: UInt32 = try bytes.littleEndian(at: location.bytes.lowerBound)
        guard alignment > 0, alignment & (alignment - 1) == 0 else {
            throw PVITError(.ggufAlignment, "the alignment \(alignment) is not a power of two", bytes: range)
        }
        return Int(alignment)
    }

    /// Sorts the tensors by their bytes.
    ///
    /// - Throws: `gguf.offset`, `gguf.overlap` or `gguf.tensor-truncated`.
    private static func sorted(
        _ records: [Record], from dataOffset: Int, to end: Int, alignment: Int
    ) throws -> [Entry] {
        var entries: [Entry] = []
        for record in records {
            let name = record.tensor.name
            guard record.offset % UInt64(alignment) == 0 else {
                throw PVITError(
                    .ggufOffset, "the tensor's offset \(record.offset) is not a multiple of \(alignment)",
                    tensor: name, bytes: record.range)
            }
            let available = UInt64(max(0, end - dataOffset))
            guard record.offset <= available, UInt64(record.byteCount) <= available - record.offset else {
                throw PVITError(
                    .ggufTensorTruncated,
                    "the tensor has \(record.byteCount) bytes at offset \(record.offset) of the data, "
                        + "but the file has \(available) bytes of data", tensor: name, bytes: record.range,
                    remedy: "download or copy the file again")
            }
            let start = dataOffset + Int(record.offset)
            entries.append(Entry(tensor: record.tensor, type: record.type, bytes: start..<start + record.byteCount))
        }
        entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
        for (entry, next) in zip(entries, entries.dropFirst()) where next.bytes.lowerBound < entry.bytes.upperBound {
            throw PVITError(
                .ggufOverlap, "the tensor overlaps \(entry.tensor.name)", tensor: next.tensor.name,
                bytes: UInt64(next.bytes.lowerBound)..<UInt64(entry.bytes.upperBound))
        }
        return entries
    }
}

/// The header's record of one tensor.
private struct Record {
    let tensor: TensorDescription
    let type: GGUFType
    /// The size in the file.
    let byteCount: Int
    /// The offset of the elements in the data.
    let offset: UInt64
    /// The range of the record in the file.
    let range: Range<UInt64>

    init(_ bytes: RawSpan, _ cursor: inout GGUFCursor) throws {
        let start = cursor.offset
        let nameRange = try cursor.string(bytes, "the name of a tensor")
        let name = TensorName(
            try bytes.text(
                nameRange, atMost: GGUFHeader.maximumNameByteCount, orThrow: .ggufTensorName, "the name of a tensor"))
        guard !name.rawValue.isEmpty else {
            throw PVITError(
                .ggufTensorName, "the name of a tensor is empty", bytes: UInt64(start)..<UInt64(cursor.offset))
        }
        do {
            let rank: UInt32 = try cursor.integer(bytes, "the record of a tensor")
            guard rank <= UInt32(GGUFHeader.maximumRank) else {
                throw PVITError(
                    .ggufShape, "the tensor has \(rank) extents; at most \(GGUFHeader.maximumRank) are allowed",
                    bytes: UInt64(cursor.offset - 4)..<UInt64(cursor.offset))
            }
            let shapeOffset = cursor.offset
            var extents: [UInt64] = []
            for _ in 0..<rank { extents.append(try cursor.integer(bytes, "the record of a tensor")) }
            let typeOffset = cursor.offset
            type = try Self.type(try cursor.integer(bytes, "the record of a tensor"), at: typeOffset)
            offset = try cursor.integer(bytes, "the record of a tensor")
            range = UInt64(start)..<UInt64(cursor.offset)
            (tensor, byteCount) = try Self.tensor(
                name, type, extents: extents, range: UInt64(shapeOffset)..<UInt64(typeOffset))
        } catch let error as PVITError {
            throw error.located(tensor: name)
        }
    }

    private static func type(_ number: UInt32, at offset: Int) throws -> GGUFType {
        if let type = GGUFType(rawValue: number) { return type }
        let bytes = UInt64(offset)..<UInt64(offset + 4)
        if let name = GGUFType.unsupportedName(number) {
            throw PVITError(
                .ggufUnsupportedType, "elements of type \(name) are not supported", bytes: bytes,
                remedy: "use a file of another type, such as F16, Q8_0 or Q4_K")
        }
        throw PVITError(.ggufUnknownType, "the format has no element type \(number)", bytes: bytes)
    }

    /// - Parameter extents: Innermost first, as in the file.
    private static func tensor(
        _ name: TensorName, _ type: GGUFType, extents: [UInt64], range: Range<UInt64>
    ) throws -> (TensorDescription, byteCount: Int) {
        let dimensions = extents.reversed().compactMap { Int(exactly: $0) }
        guard dimensions.count == extents.count, let shape = Shape(dimensions),
            shape.byteCount(of: type.elementType) != nil
        else {
            throw PVITError(
                .ggufShape, "the shape \(Array(extents.reversed())) is too large", tensor: name, bytes: range)
        }
        guard (dimensions.last ?? 1) % type.elementsPerBlock == 0 else {
            throw PVITError(
                .ggufShape,
                "rows of \(dimensions.last ?? 1) elements are not a whole number of \(type) blocks "
                    + "of \(type.elementsPerBlock)", tensor: name, bytes: range)
        }
        let description = try TensorDescription(name: name, elementType: type.elementType, shape: shape)
        // A block has fewer bytes than its decoded numbers, whose size is known to fit.
        return (description, shape.elementCount / type.elementsPerBlock * type.bytesPerBlock)
    }
}
