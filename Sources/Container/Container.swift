import Storage
import Platform
import Synchronization
import SystemPackage
import Tensors

/// A container file, used in place through a mapping. Any number of threads may use it at once.
///
/// Opening checks header, footer and index, which takes milliseconds at any size. The checksum of a tile is verified
/// before its first use. The file must not be modified while it is open. Replacing it by another file is harmless. If
/// it is truncated, or the disk fails, the calls that need the missing bytes throw `file.read-failed`.
package final class Container: Sendable {
    /// The path of the file when it was opened.
    package var path: FilePath { file.path }
    /// The size of the file in bytes.
    package var byteCount: Int { file.byteCount }
    /// The number of tensors, aliases and attachments included.
    package var tensorCount: Int { index.tensorCount }
    /// The version of the file's format.
    package var version: Int { Int(footer.features.version) }
    /// Whether this is a packed delta, whose parameters are read with `readTile` and a base.
    package var needsBase: Bool { footer.features.needsBase }
    /// The digest of all parameters that the file states. `verify` checks it.
    package var modelDigest: ModelDigest { footer.modelDigest }

    let file: MappedFile
    let footer: ContainerFooter
    let index: ContainerIndex
    let indexRange: Range<Int>
    let verifiedTiles: VerifiedTiles
    private let dropsPages = Atomic<Bool>(false)
    private let cachedMetadata = Lock<JSONObject?>(nil)

    /// Opens a container.
    ///
    /// - Parameter allowsPackedDelta: Whether the file may be a packed delta, which no model can run from.
    /// - Throws: `file.not-found`, `file.unreadable`, `container.packed-delta`, and the other codes of
    ///   `ContainerError.swift` for a bad file.
    package init(opening path: FilePath, allowsPackedDelta: Bool = false) throws {
        let file = try MappedFile(path: path)
        do {
            let size = file.byteCount
            let header = try file.withBytes(0..<min(size, ContainerFormat.headerByteCount)) {
                try ContainerHeader($0)
            }
            let footer = try file.withBytes(max(0, size - ContainerFormat.footerByteCount)..<size) {
                try ContainerFooter($0, header: header, fileByteCount: size)
            }

            let indexRange = Int(footer.indexOffset)..<Int(footer.indexOffset + footer.indexByteCount)
            index = try file.withBytes(indexRange) { span in
                guard xxh3(span) == footer.indexChecksum else {
                    throw PVITError(
                        .containerIndex, "the index is damaged",
                        bytes: UInt64(indexRange.lowerBound)..<UInt64(indexRange.upperBound), remedy: .copyAgain)
                }
                let index = try ContainerIndex(span)
                try index.validate(
                    span, contentEnd: footer.metadataOffset, needsBase: footer.features.needsBase)
                return index
            }
            guard allowsPackedDelta || !footer.features.needsBase else {
                throw PVITError(
                    .packedDelta, "this is a packed delta, not a model: it stores a model as changes of its base",
                    remedy: "merge it with its base: pvit merge BASE DELTA --output FOLDER")
            }
            self.footer = footer
            self.indexRange = indexRange
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        verifiedTiles = VerifiedTiles(count: index.tileCount)
        self.file = file
    }

    /// From now on, drops the mapped pages of each tile after use, so that a model of any size takes little memory.
    /// (The pages may stay in the page cache.)
    package func dropPagesAfterUse() { dropsPages.store(true, ordering: .relaxed) }

    /// Whether `dropPagesAfterUse` was called.
    var dropsPagesAfterUse: Bool { dropsPages.load(ordering: .relaxed) }

    /// The metadata. Decoded and checked on first use.
    ///
    /// - Throws: `container.metadata-checksum`, `container.metadata-content`.
    package var metadata: JSONObject {
        get throws {
            try cachedMetadata.withLock { cached in
                if let cached { return cached }
                let object = try located { try readMetadata() }
                cached = object
                return object
            }
        }
    }

    private func readMetadata() throws -> JSONObject {
        let start = Int(footer.metadataOffset)
        let range = start..<start + Int(footer.metadataStoredByteCount)
        let bytes = UInt64(range.lowerBound)..<UInt64(range.upperBound)
        return try file.withBytes(range) { stored in
            guard xxh3(stored) == footer.metadataChecksum else {
                throw PVITError(
                    .metadataChecksum, "the metadata is damaged", bytes: bytes, remedy: .copyAgain)
            }
            do {
                guard let object = try JSONValue(parsing: try metadataText(stored)).object else {
                    throw PVITError(.metadataContent, "it is not an object")
                }
                return object
            } catch let error as PVITError {
                throw PVITError(.metadataContent, "the metadata is malformed: \(error.what)", bytes: bytes)
            }
        }
    }

    private func metadataText(_ stored: RawSpan) throws -> [UInt8] {
        guard footer.metadataStoredByteCount < footer.metadataByteCount else {
            return try stored.copyBytes(0..<stored.byteCount)
        }
        try Zstandard.checkHeader(stored, byteCount: Int(footer.metadataByteCount))
        var text = [UInt8](repeating: 0, count: Int(footer.metadataByteCount))
        var span = text.mutableSpan
        var bytes = span.mutableBytes
        try ZstandardDecoder().decode(stored, into: &bytes)
        return text
    }

    /// The tensor with a number, in the order of the file.
    ///
    /// - Throws: `container.index` if there is no such number.
    package func tensor(at number: Int) throws -> StoredTensor {
        try located { try withIndex { try index.tensor(number, in: $0) } }
    }

    /// The tensor or attachment with a name, or nil. An alias has the tiles of its target. Complexity: O(log n).
    package func tensor(named name: TensorName) throws -> StoredTensor? {
        try located {
            try withIndex { span in
                try index.find(name, in: span).map { try index.tensor($0, in: span) }
            }
        }
    }

    /// All tensors, in the order of the file.
    package func tensors() throws -> [StoredTensor] {
        try (0..<tensorCount).map { try tensor(at: $0) }
    }

    /// The content of the attachment with a name, or nil.
    ///
    /// - Throws: `container.limit` if it exceeds 256 MiB, and the errors of `withTile`.
    package func attachment(_ name: String) throws -> [UInt8]? {
        guard let tensor = try tensor(named: TensorName(name)), tensor.role == .attachment else { return nil }
        guard tensor.decodedByteCount <= ContainerFormat.maximumAttachmentByteCount else {
            throw PVITError(
                .containerLimit, "an attachment of \(tensor.decodedByteCount) bytes is too large", file: path,
                tensor: tensor.name)
        }
        let scratch = TileScratch()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tensor.decodedByteCount)
        for index in 0..<tensor.tileCount {
            try withTile(index, of: tensor, scratch: scratch) { content, _ in
                content.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    /// The bytes of the file that hold a tensor's elements as they are, one after the other; nil if they are quantized,
    /// compressed or scattered. Nothing has checked these bytes.
    package func plainRange(of tensor: StoredTensor) throws -> Range<UInt64>? {
        guard case .plain = tensor.encoding, tensor.decodedByteCount > 0 else { return nil }
        var range: Range<UInt64>?
        for number in 0..<tensor.tileCount {
            let tile = try tile(number, of: tensor)
            guard tile.codec == .stored, tile.scale == 1,
                range == nil || range?.upperBound == tile.storedRange.lowerBound
            else { return nil }
            range = (range?.lowerBound ?? tile.storedRange.lowerBound)..<tile.storedRange.upperBound
        }
        return range?.count == tensor.decodedByteCount ? range : nil
    }

    func withIndex<Result>(_ body: (RawSpan) throws -> Result) throws -> Result {
        try file.withBytes(indexRange, body)
    }

    func located<Result: ~Copyable>(
        tensor: TensorName? = nil, _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch let error as PVITError {
            throw error.located(file: path, tensor: tensor)
        }
    }
}
