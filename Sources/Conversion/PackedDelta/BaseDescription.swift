import Container
import Storage
import SystemPackage
import Tensors

/// The tensors of the base that a packed delta needs, so that another base is refused at once.
///
/// The description has type, shape and a sample of each tensor: all of a small one, else rows that are spread evenly.
/// What it does not see, the checksums of the tiles do.
struct BaseDescription: Sendable {
    /// The key in the metadata of a packed delta.
    static let key = "delta.base"

    /// A tensor of the base.
    struct Entry: Sendable {
        /// The tensor, with its name in the base.
        let tensor: TensorDescription
        /// XXH3 of the sample.
        let sample: UInt64
    }

    /// The name of the base's folder or file, for messages; nil if it is not known.
    let name: String?
    /// The tensors of the base, by the name of the tensor that is stored relative to each.
    private(set) var entries: [TensorName: Entry] = [:]
    /// The names in the order of the packed delta.
    private(set) var names: [TensorName] = []

    /// Describes the base of some pairs.
    ///
    /// - Throws: What reading throws.
    init(of pairs: [BasePair], in base: any TensorSource, name: String?) throws {
        self.name = name
        for pair in pairs {
            add(Entry(tensor: pair.base, sample: try Self.sample(of: pair.base, in: base)), for: pair.target.name)
        }
    }

    private mutating func add(_ entry: Entry, for name: TensorName) {
        entries[name] = entry
        names.append(name)
    }

    /// XXH3 of a whole tensor of at most 64 KiB or 16 rows, else of 16 rows that are spread evenly.
    static func sample(of tensor: TensorDescription, in source: any TensorSource) throws -> UInt64 {
        let rows = tensor.shape.rows
        let count = min(rows, sampledRowCount)
        var bytes: [UInt8] = []
        if tensor.byteCount <= wholeByteCount || count == rows {
            bytes = try source.bytes(ofRows: 0..<rows, of: tensor)
        } else {
            for number in 0..<count {
                // number * (rows - 1) / (count - 1), without an overflow.
                let row = (rows - 1) / (count - 1) * number + (rows - 1) % (count - 1) * number / (count - 1)
                bytes += try source.bytes(ofRows: row..<row + 1, of: tensor)
            }
        }
        return xxh3(bytes.span.bytes)
    }

    private static let wholeByteCount = 64 << 10
    private static let sampledRowCount = 16

    /// Throws `merge.other-base` unless a base has all tensors that are described, with the same type, shape and
    /// sample.
    func check(_ base: any TensorSource, path: FilePath) throws {
        let tensors = Dictionary(base.tensors.map { ($0.name, $0) }) { first, _ in first }
        var first: PVITError?
        var count = 0
        for entry in names.compactMap({ entries[$0] }) {
            guard let what = try difference(of: tensors[entry.tensor.name], from: entry, in: base) else { continue }
            count += 1
            if first == nil {
                first = PVITError(
                    .mergeOtherBase, "the delta was made from another base: this tensor \(what)", file: path,
                    tensor: entry.tensor.name, remedy: "give the base that the delta was made from")
            }
        }
        guard var error = first else { return }
        if count > 1 { error.what += "; \(count) of \(names.count) tensors differ" }
        if let name { error.remedy = "give the base that the delta was made from (\(name)), with the same types" }
        throw error
    }

    /// How a tensor differs from the described one, or nil.
    private func difference(
        of tensor: TensorDescription?, from entry: Entry, in base: any TensorSource
    ) throws -> String? {
        guard let tensor else { return "is absent" }
        guard tensor.shape == entry.tensor.shape else {
            return "has the shape \(tensor.shape) instead of \(entry.tensor.shape)"
        }
        guard tensor.elementType == entry.tensor.elementType else {
            return "has the type \(tensor.elementType) instead of \(entry.tensor.elementType)"
        }
        return try Self.sample(of: tensor, in: base) == entry.sample ? nil : "has other numbers"
    }
}

extension BaseDescription {
    /// The value in the metadata.
    var json: JSONValue {
        var tensors = JSONObject()
        for name in names {
            guard let entry = entries[name] else { continue }
            var object: JSONObject = [
                "type": .string(entry.tensor.elementType.rawValue),
                "shape": .array(entry.tensor.shape.dimensions.map(JSONValue.integer)),
                "sample": .string(Self.hexadecimal(entry.sample)),
            ]
            if entry.tensor.name != name { object["name"] = .string(entry.tensor.name.rawValue) }
            tensors[name.rawValue] = .object(object)
        }
        var object = JSONObject()
        object["name"] = name.map { .string($0) }
        object["tensors"] = .object(tensors)
        return .object(object)
    }

    /// Reads the value from metadata.
    ///
    /// - Throws: `container.metadata-content` if it is malformed.
    init(parsing value: JSONValue?) throws {
        name = value?["name"]?.string
        guard let tensors = value?["tensors"]?.object else { throw Self.malformed("there is no list of tensors") }
        for member in tensors.members {
            let name = TensorName(member.key)
            guard let entry = Self.entry(member.value, name: name) else {
                throw Self.malformed("its description of the base's tensor \"\(name)\" is malformed")
            }
            add(entry, for: name)
        }
    }

    /// Reads the value of a tensor; nil if it is malformed.
    private static func entry(_ value: JSONValue, name: TensorName) -> Entry? {
        var nameInBase = name
        if let other = value["name"] {
            guard let text = other.string else { return nil }
            nameInBase = TensorName(text)
        }
        guard let typeName = value["type"]?.string, let type = ElementType(rawValue: typeName),
            let extents = value["shape"]?.array, let shape = Shape(extents.map { $0.integer ?? -1 }),
            let sampleText = value["sample"]?.string, let sample = parseHexadecimal(sampleText),
            let tensor = try? TensorDescription(name: nameInBase, elementType: type, shape: shape)
        else { return nil }
        return Entry(tensor: tensor, sample: sample)
    }

    static func malformed(_ what: String, file: FilePath? = nil) -> PVITError {
        PVITError(.metadataContent, "the metadata of a packed delta is malformed: \(what)", file: file)
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func parseHexadecimal(_ text: String) -> UInt64? {
        guard text.utf8.count == 16, text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
            return nil
        }
        return UInt64(text, radix: 16)
    }
}
