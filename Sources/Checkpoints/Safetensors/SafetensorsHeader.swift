import Storage
import Tensors

/// The header of a safetensors file: which tensors it holds and where.
///
/// The format is eight bytes of header length, a JSON object, and the tensors' bytes (huggingface.co/docs/safetensors).
/// A value of this type satisfies every rule of the format: the header is at most 100 MB of UTF-8 that begins with `{`;
/// each entry's type and shape give exactly its bytes; and the entries cover the data from its first byte to its last
/// without holes or overlaps.
package struct SafetensorsHeader: TensorFileHeader {
    /// A tensor and its bytes, as offsets into the file.
    package struct Entry: TensorFileEntry {
        /// Name, type and shape.
        package let tensor: TensorDescription
        /// The range of the elements in the file.
        package let bytes: Range<Int>
    }

    /// The largest header in bytes, as in the reference implementation.
    package static let maximumByteCount = 100_000_000

    /// The one name in the header that does not belong to a tensor.
    static let metadataName = "__metadata__"

    /// The tensors in the order of their bytes.
    package let entries: [Entry]
    /// The free-form strings under `__metadata__`.
    package let metadata: [String: String]
    /// The offset of the tensors' bytes in the file.
    package let dataOffset: Int

    /// Reads and checks the header of a file.
    ///
    /// - Throws: One `safetensors.*` error for each rule, naming tensor and bytes.
    package init(of file: borrowing MappedFile) throws {
        do {
            try self.init(file)
        } catch let error as PVITError {
            throw error.located(file: file.path)
        }
    }

    private init(_ file: borrowing MappedFile) throws {
        let text = try Self.headerText(of: file)
        dataOffset = 8 + text.count
        var scanner = SafetensorsHeaderScanner(text: text)
        var metadata: [String: String] = [:]
        var entries: [Entry] = []
        while let (name, value) = try scanner.next() {
            if name == Self.metadataName {
                metadata = try Self.metadata(value)
            } else {
                entries.append(try Self.entry(TensorName(name), value, dataOffset: dataOffset))
            }
        }
        entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
        try Self.checkCoverage(of: entries, from: dataOffset, to: file.byteCount)
        self.entries = entries
        self.metadata = metadata
    }

    /// The bytes between the length and the data.
    private static func headerText(of file: borrowing MappedFile) throws -> [UInt8] {
        guard file.byteCount >= 8 else {
            throw PVITError(
                .safetensorsTooShort, "\(file.byteCount) bytes are too few for a safetensors file",
                bytes: 0..<UInt64(file.byteCount), remedy: "download or copy the file again")
        }
        let length: UInt64 = try file.withBytes(0..<8) { try $0.littleEndian(at: 0) }
        guard length <= UInt64(maximumByteCount) else {
            throw PVITError(
                .safetensorsHeaderTooLarge,
                "the header's length is \(length) bytes, more than the \(maximumByteCount) that the format allows",
                bytes: 0..<8, remedy: "this is probably not a safetensors file")
        }
        let end = 8 + Int(length)
        guard end <= file.byteCount else {
            throw PVITError(
                .safetensorsHeaderLength,
                "the header should end at byte \(end), but the file ends at byte \(file.byteCount)",
                bytes: 0..<8, remedy: "download or copy the file again")
        }
        return try file.withBytes(8..<end) { span in
            let text = try span.copyBytes(0..<span.byteCount)
            guard text.first == UInt8(ascii: "{") else {
                throw PVITError(
                    .safetensorsHeaderStart, "the header does not begin with {", bytes: 8..<9,
                    remedy: "this is probably not a safetensors file")
            }
            guard String(validating: text, as: UTF8.self) != nil else {
                throw PVITError(.safetensorsHeaderEncoding, "the header is not UTF-8", bytes: 8..<UInt64(end))
            }
            return text
        }
    }

    private static func metadata(_ value: JSONValue) throws -> [String: String] {
        guard let members = value.object?.members else {
            throw PVITError(.safetensorsMetadata, "__metadata__ is not an object")
        }
        var result: [String: String] = [:]
        for member in members {
            guard let text = member.value.string else {
                throw PVITError(.safetensorsMetadata, "the value of \"\(member.key)\" in __metadata__ is not a string")
            }
            result[member.key] = text
        }
        return result
    }

    private static func entry(_ name: TensorName, _ value: JSONValue, dataOffset: Int) throws -> Entry {
        guard let typeName = value["dtype"]?.string, let extents = value["shape"]?.array,
            let offsets = value["data_offsets"]?.array
        else {
            throw PVITError(
                .safetensorsEntry, "the entry does not have a dtype, a shape and data_offsets", tensor: name)
        }
        let type = try elementType(typeName, of: name)
        let dimensions = try extents.map { try wholeNumber($0, orThrow: .safetensorsShape, "an extent", name) }
        guard let shape = Shape(dimensions), let byteCount = shape.byteCount(of: type) else {
            throw PVITError(
                .safetensorsShape, "the shape \(dimensions) is too large or has more than \(Shape.maximumRank) extents",
                tensor: name)
        }
        guard offsets.count == 2 else {
            throw PVITError(.safetensorsOffsets, "data_offsets has \(offsets.count) numbers, not 2", tensor: name)
        }
        let bounds = try offsets.map { offset in
            let number = try wholeNumber(offset, orThrow: .safetensorsOffsets, "an offset", name)
            let (position, overflow) = number.addingReportingOverflow(dataOffset)
            guard !overflow else {
                throw PVITError(.safetensorsOffsets, "the offset \(number) is too large", tensor: name)
            }
            return position
        }
        guard bounds[0] <= bounds[1] else {
            throw PVITError(
                .safetensorsOffsets,
                "data_offsets end at \(bounds[1] - dataOffset), before their beginning at \(bounds[0] - dataOffset)",
                tensor: name)
        }
        guard bounds[1] - bounds[0] == byteCount else {
            throw PVITError(
                .safetensorsSizeMismatch,
                "shape \(shape) of \(type) needs \(byteCount) bytes, but data_offsets span \(bounds[1] - bounds[0])",
                tensor: name, bytes: UInt64(bounds[0])..<UInt64(bounds[1]))
        }
        let tensor = try TensorDescription(name: name, elementType: type, shape: shape)
        return Entry(tensor: tensor, bytes: bounds[0]..<bounds[1])
    }

    private static func wholeNumber(
        _ value: JSONValue, orThrow code: PVITError.Code, _ what: String, _ name: TensorName
    ) throws -> Int {
        guard case .integer(let number) = value, number >= 0 else {
            throw PVITError(code, "\(what) is not a whole number from 0 to 2^63 - 1", tensor: name)
        }
        return number
    }

    private static func elementType(_ typeName: String, of name: TensorName) throws -> ElementType {
        switch typeName {
        case "F64": return .f64
        case "F32": return .f32
        case "F16": return .f16
        case "BF16": return .bf16
        case "I64": return .i64
        case "I32": return .i32
        case "I16": return .i16
        case "I8": return .i8
        case "U8": return .u8
        case "BOOL": return .bool
        case "U16", "U32", "U64", "C64", "F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
            "F8_E5M2FNUZ":
            throw PVITError(
                .safetensorsUnsupportedType, "elements of type \(typeName) are not supported", tensor: name,
                remedy: "convert the checkpoint to F16, BF16 or F32")
        default:
            throw PVITError(.safetensorsUnknownType, "\"\(typeName)\" is no element type of the format", tensor: name)
        }
    }

    /// Throws unless the sorted entries cover the bytes from `start` to `end`, each once.
    private static func checkCoverage(of entries: [Entry], from start: Int, to end: Int) throws {
        var position = start
        for (index, entry) in entries.enumerated() {
            let bytes = entry.bytes
            if bytes.lowerBound < position {
                throw PVITError(
                    .safetensorsOverlap, "the tensor overlaps \(entries[index - 1].tensor.name)",
                    tensor: entry.tensor.name, bytes: UInt64(bytes.lowerBound)..<UInt64(position))
            }
            if bytes.lowerBound > position {
                throw PVITError(
                    .safetensorsHole, "the bytes before the tensor belong to no tensor", tensor: entry.tensor.name,
                    bytes: UInt64(position)..<UInt64(bytes.lowerBound))
            }
            if bytes.upperBound > end {
                throw PVITError(
                    .safetensorsTruncated,
                    "the file ends at byte \(end), inside or before the tensor", tensor: entry.tensor.name,
                    bytes: UInt64(bytes.lowerBound)..<UInt64(bytes.upperBound),
                    remedy: "download or copy the file again")
            }
            position = bytes.upperBound
        }
        guard position == end else {
            throw PVITError(
                .safetensorsTrailingBytes, "bytes after the last tensor belong to no tensor",
                bytes: UInt64(position)..<UInt64(end))
        }
    }
}
