import Container
import Storage
import SystemPackage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A new temporary folder, removed with the value.
final class TemporaryFolder {
    let path: FilePath

    init() throws {
        var template = Array("/tmp/pvit-container-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    deinit {
        if let folder = opendir(path.string) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                unlink(path.appending(name).string)
            }
            closedir(folder)
        }
        rmdir(path.string)
    }
}

/// All bytes of a file.
func contents(of path: FilePath) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    return try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
}

/// Writes a file in place.
func write(_ bytes: some Collection<UInt8>, to path: FilePath) throws {
    let descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
    try descriptor.closeAfter { _ = try descriptor.writeAll(Array(bytes)) }
}

extension ContainerWriter {
    /// Writes a whole tensor from its decoded bytes.
    mutating func write(
        _ name: TensorName, _ bytes: [UInt8], encoding: TensorEncoding, shape: Shape,
        compression: Compression = .none, rowsPerTile: Int? = nil, scale: (Int) -> Float = { _ in 1 },
        statistics: ErrorStatistics? = nil
    ) throws {
        let layout = try TileLayout(encoding: encoding, shape: shape, rowsPerTile: rowsPerTile)
        try beginTensor(name, encoding: encoding, shape: shape, rowsPerTile: rowsPerTile)
        var start = 0
        for tile in 0..<layout.tileCount {
            let size = layout.byteCount(ofTile: tile)
            let content = bytes.span.bytes.extracting(start..<start + size)
            let encoded = try TileEncoder.encode(
                content, encoding: encoding, scale: scale(tile), compression: compression)
            try append(encoded, content: content)
            start += size
        }
        try endTensor(statistics: statistics)
    }
}

extension Container {
    /// The decoded bytes of all tiles.
    func content(of tensor: StoredTensor) throws -> [UInt8] {
        let scratch = TileScratch()
        var bytes: [UInt8] = []
        for index in 0..<tensor.tileCount {
            try withTile(index, of: tensor, scratch: scratch) { content, _ in
                bytes += try content.copyBytes(0..<content.byteCount)
            }
        }
        return bytes
    }
}

extension Container {
    /// The decoded bytes of a tile of a packed delta.
    func content(ofTile number: Int, of tensor: StoredTensor, base: [UInt8]) throws -> [UInt8] {
        var content = [UInt8](repeating: 0, count: tensor.layout.byteCount(ofTile: number))
        var span = content.mutableSpan
        var bytes = span.mutableBytes
        try readTile(number, of: tensor, base: base.span.bytes, scratch: TileScratch(), into: &bytes)
        return content
    }
}

/// Runs `body` and returns the code of the `PVITError` that it throws, or nil. Rethrows other errors.
func code(of body: () throws -> Void) throws -> PVITError.Code? {
    do {
        try body()
        return nil
    } catch let error as PVITError {
        return error.code
    }
}

/// The folder `formats/vectors` of this package.
var vectors: FilePath {
    FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("formats").appending("vectors")
}

/// The object in a JSON file.
func readJSON(_ path: FilePath) throws -> JSONObject {
    let value = try JSONValue(parsing: contents(of: path))
    return value.object ?? [:]
}

/// SHA-256 in hexadecimal.
func sha256(_ bytes: [UInt8]) -> String {
    SHA256.digest(of: bytes).description
}

/// Repeatable bytes that do not compress, from the generator of `tools/make_pvq_vectors.py`.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(state >> 56)
    }
}

/// Numbers distributed like weights, around 0: each is the sum of four uniform ones.
func bell(_ count: Int, seed: UInt64 = 1) -> [Double] {
    let data = noise(4 * count, seed: seed)
    return (0..<count).map { place in
        (data[4 * place..<4 * place + 4].reduce(0) { $0 + Double($1) } - 510) / 4096
    }
}

/// The little-endian bytes of numbers.
func bytes(_ values: [Float16]) -> [UInt8] {
    values.reduce(into: []) { $0.appendLittleEndian($1.bitPattern) }
}
func bytes(_ values: [Float]) -> [UInt8] {
    values.reduce(into: []) { $0.appendLittleEndian($1.bitPattern) }
}
func bytes(_ values: [Double]) -> [UInt8] {
    values.reduce(into: []) { $0.appendLittleEndian($1.bitPattern) }
}
func bytes<Value: FixedWidthInteger>(_ values: [Value]) -> [UInt8] {
    values.reduce(into: []) { $0.appendLittleEndian($1) }
}
