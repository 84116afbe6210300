import Container
import LanguageModel
import Storage
import SystemPackage
import Vision

/// A text that a model has read, with its keys and values, in a file (`formats/session.md`).
///
/// The file belongs to one model and one type of keys and values. Sizes are checked before anything is allocated, and
/// every part has a checksum.
package struct SessionFile: ~Copyable {
    /// The input at each position.
    let positions: [ModelPrompt.Position]
    private let file: MappedFile
    private let header: SessionHeader
    private let images: [SessionImage]

    /// Opens a file and compares it with a model and a cache.
    ///
    /// - Throws: `session.not-a-session`, `session.version`, `session.damaged`, `session.other-model`, `session.type`;
    ///   `file.not-found`, `file.unreadable`, `file.read-failed`.
    package static func open(
        _ path: FilePath, for model: LoadedModel, _ cache: borrowing KVCache
    ) throws -> SessionFile {
        do { return try SessionFile(MappedFile(path: path), model, cache) } catch let error as PVITError {
            throw error.located(file: path)
        }
    }

    private init(_ file: consuming MappedFile, _ model: LoadedModel, _ cache: borrowing KVCache) throws {
        let header = try file.withBytes(0..<min(SessionFormat.headerByteCount, file.byteCount)) {
            try SessionHeader($0)
        }
        try Self.check(header, model, cache)
        guard header.fileByteCount == file.byteCount else {
            throw PVITError.damagedSession(
                "the file has \(file.byteCount) bytes, not the \(header.fileByteCount) that its header says: it is "
                    + "truncated, or bytes were added", 0..<file.byteCount)
        }
        let tableEnd = SessionFormat.headerByteCount + header.tableByteCount
        let cacheByteCount = cache.fileByteCount(positions: header.positionCount) ?? .max
        guard tableEnd <= file.byteCount, cacheByteCount <= file.byteCount - tableEnd else {
            throw PVITError.damagedSession("the file is too short for its positions", 0..<file.byteCount)
        }
        let channels =
            model.vision?.inputs.preparation.regions == nil
            ? nil : try RegionEncoder.channelCount(in: model.container)
        let (images, positions) = try file.withBytes(SessionFormat.headerByteCount..<tableEnd) { table in
            guard xxh3(table) == header.tableChecksum else {
                throw PVITError.damagedSession(
                    "the list of positions is damaged", SessionFormat.headerByteCount..<tableEnd)
            }
            let records = header.imageCount * SessionFormat.imageByteCount
            let images = try (0..<header.imageCount).map { try SessionImage(table, number: $0, channels: channels) }
            let positions = try SessionPositions(
                table.extracting(records..<table.byteCount), count: header.positionCount,
                images: images.map(\.digest))
            return (images, positions.positions)
        }
        let featuresByteCount = images.reduce(0) { $0 + ($1.sizes?.fileByteCount ?? 0) }
        guard tableEnd + cacheByteCount + featuresByteCount == file.byteCount else {
            throw PVITError.damagedSession("the file has another size than its content", 0..<file.byteCount)
        }
        self.positions = positions
        self.images = images
        self.header = header
        self.file = file
    }

    private static func check(_ header: SessionHeader, _ model: LoadedModel, _ cache: borrowing KVCache) throws {
        let ofOther = "give the session of this model, or a file that does not exist yet"
        guard header.modelDigest == model.container.modelDigest else {
            throw PVITError(
                .sessionOfOtherModel,
                "the session belongs to another model, with digest \(header.modelDigest), and this one has digest "
                    + "\(model.container.modelDigest)", remedy: ofOther)
        }
        guard try header.settingsDigest == model.settingsDigest,
            (header.layerCount, header.headCount, header.headWidth) == cache.sizes
        else {
            throw PVITError(
                .sessionOfOtherModel, "the session was computed with the same weights, but with another configuration",
                remedy: ofOther)
        }
        guard header.storage == cache.storage else {
            throw PVITError(
                .sessionType,
                "the session has keys and values in \(header.storage.rawValue), and this run uses "
                    + "\(cache.storage.rawValue)",
                remedy: "add --kv-cache \(header.storage.rawValue), or give a file that does not exist yet")
        }
    }

    /// Checks that a session can be written to a path, which it never does over a file that is read.
    ///
    /// - Parameter inputs: The files that are read: the model, its draft, images.
    /// - Throws: `file.output-is-input`, `file.cannot-create`.
    package static func requireOutput(_ path: FilePath, apartFrom inputs: [FilePath]) throws {
        var files = InputFiles()
        for input in inputs { files.add(file: input) }
        try files.requireApart(path)
        guard try !OutputDestination(path).isStream else {
            throw PVITError(
                .cannotCreate, "a session needs a regular file, and this is a device or a pipe", file: path,
                remedy: "choose another name")
        }
        // Dropped without a commit, so that nothing appears under the name.
        _ = try OutputFile(path: path)
    }

    /// Makes the text the content of a cache, as far as there is room, and gives its encoded images to the model's
    /// image encoders.
    ///
    /// - Returns: The positions that the cache now holds.
    /// - Throws: `session.damaged`, `file.read-failed`. The cache is then empty.
    func read(into cache: inout KVCache, for model: LoadedModel) throws -> [ModelPrompt.Position] {
        do {
            var offset = SessionFormat.headerByteCount + header.tableByteCount
            try cache.read(positions: header.positionCount, from: file, at: offset) {
                PVITError.damagedSession("keys or values are damaged", $0)
            }
            offset += cache.fileByteCount(positions: header.positionCount) ?? 0
            for image in images {
                guard let sizes = image.sizes else { continue }
                let features = try RegionEncoder.ImageFeatures(sizes, from: file, at: offset) {
                    PVITError.damagedSession("the encoding of an image is damaged", $0)
                }
                model.vision?.remember(features, of: image.digest)
                offset += sizes.fileByteCount
            }
            return Array(positions.prefix(cache.count))
        } catch let error as PVITError {
            cache.truncate(to: 0)
            throw error.located(file: file.path)
        }
    }

    /// Writes the content of a cache to a file, which appears whole or not at all.
    ///
    /// - Parameter positions: The input at each position of the cache.
    /// - Returns: The size of the file.
    /// - Throws: `file.cannot-create`, `file.write-failed`. An earlier file is then untouched.
    static func write(
        _ positions: [ModelPrompt.Position], _ cache: borrowing KVCache, of model: LoadedModel, to path: FilePath
    ) throws -> ByteCount {
        let table = SessionPositions(positions)
        let features = table.images.map { model.vision?.features(of: $0) }
        var bytes: [UInt8] = []
        for (digest, features) in zip(table.images, features) {
            bytes += SessionImage(digest: digest, sizes: features?.sizes).encoded()
        }
        bytes += table.encoded()
        guard let cacheByteCount = cache.fileByteCount(positions: positions.count), cache.count == positions.count,
            table.images.count <= SessionFormat.maximumImageCount
        else { throw PVITError(.internalDefect, "the cache cannot be written to a session") }
        let (layerCount, headCount, headWidth) = cache.sizes
        let featuresByteCount = features.reduce(0) { $0 + ($1?.sizes.fileByteCount ?? 0) }
        let header = SessionHeader(
            storage: cache.storage, modelDigest: model.container.modelDigest, settingsDigest: try model.settingsDigest,
            positionCount: positions.count, imageCount: table.images.count, layerCount: layerCount,
            headCount: headCount, headWidth: headWidth, tableChecksum: unsafe xxh3(bytes.span.bytes),
            fileByteCount: SessionFormat.headerByteCount + bytes.count + cacheByteCount + featuresByteCount)
        var output = try OutputFile(path: path)
        try output.append(header.encoded())
        try output.append(bytes)
        try cache.append(to: &output, model.llama.engine)
        for features in features { try features?.append(to: &output) }
        let size = ByteCount(output.byteCount)
        try output.commit()
        return size
    }
}

/// An image in a session: what identifies it, and the sizes of its encoding for regions if the session has that.
struct SessionImage {
    let digest: ImageDigest
    let sizes: RegionEncoder.ImageFeatures.Sizes?

    init(digest: ImageDigest, sizes: RegionEncoder.ImageFeatures.Sizes?) {
        self.digest = digest
        self.sizes = sizes
    }

    /// The record of the image.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(digest.digest)
        let sides = sizes.map { [$0.map.width, $0.map.height, $0.channels, $0.image.width, $0.image.height] }
        for number in (sides ?? [0, 0, 0, 0, 0]) + [0, 0, 0] { bytes.appendLittleEndian(UInt32(number)) }
        return bytes
    }

    /// Reads the record of an image.
    ///
    /// - Parameter channels: The number of channels of the model's encoded images; nil if it encodes none.
    /// - Throws: `session.damaged`.
    init(_ table: RawSpan, number: Int, channels: Int?) throws {
        let offset = number * SessionFormat.imageByteCount
        digest = ImageDigest(try Digest(in: table, at: offset))
        let numbers = try (0..<8).map { Int(try table.littleEndian(at: offset + 32 + 4 * $0, as: UInt32.self)) }
        guard numbers.contains(where: { $0 != 0 }) else {
            sizes = nil
            return
        }
        let sizes = RegionEncoder.ImageFeatures.Sizes(
            map: PixelSize(width: numbers[0], height: numbers[1]), channels: numbers[2],
            image: PixelSize(width: numbers[3], height: numbers[4]))
        guard let channels, sizes.arePossible(channels: channels), numbers[5...].allSatisfy({ $0 == 0 }) else {
            let start = SessionFormat.headerByteCount + offset
            throw PVITError.damagedSession(
                "an image has impossible sizes", start..<start + SessionFormat.imageByteCount)
        }
        self.sizes = sizes
    }
}

extension LoadedModel {
    /// SHA-256 of the configurations that keys and values depend on beside the weights: those of the decoder and of the
    /// image encoders, as the container has them.
    var settingsDigest: Digest {
        get throws {
            let metadata = try container.metadata
            var hash = SHA256()
            for key in SessionFormat.settings {
                let text = metadata[key].map { $0.encoded() } ?? []
                hash.update(Array(key.utf8))
                hash.update(littleEndian: UInt64(text.count))
                hash.update(text)
            }
            return hash.digest
        }
    }
}
