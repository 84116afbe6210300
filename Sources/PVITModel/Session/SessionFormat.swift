import Architectures
import Container
import LanguageModel
import Storage
import Tensors
import Vision

/// The fixed numbers of a session file, as `formats/session.md` specifies it.
enum SessionFormat {
    static let magic: [UInt8] = [0x89, 0x50, 0x56, 0x53, 0x0D, 0x0A, 0x1A, 0x0A]
    /// Rises when the layout of the file changes, and when the engine computes other bits.
    static let version: UInt32 = 1
    static let headerByteCount = 128
    static let imageByteCount = 64
    static let positionByteCount = 16
    static let maximumPositionCount = 1 << 30
    /// A position names its image with 16 bits.
    static let maximumImageCount = 1 << 16
    /// The members of a container's metadata that keys and values depend on.
    static let settings = [
        "model.config", CLIPVisionConfiguration.metadataKey, CLIPImagePreparation.metadataKey,
        RegionEncoderConfiguration.metadataKey,
    ]
}

/// The first 128 bytes of a session file.
struct SessionHeader: Equatable {
    var storage: KVCache.Storage
    var modelDigest: ModelDigest
    var settingsDigest: Digest
    var positionCount: Int
    var imageCount: Int
    /// The decoder's sizes.
    var layerCount: Int
    var headCount: Int
    var headWidth: Int
    /// The XXH3 of the images' records and of the positions.
    var tableChecksum: UInt64
    var fileByteCount: Int

    /// The size of the images' records and of the positions, in bytes.
    var tableByteCount: Int {
        imageCount * SessionFormat.imageByteCount + positionCount * SessionFormat.positionByteCount
    }

    /// The header's bytes.
    func encoded() -> [UInt8] {
        var bytes = SessionFormat.magic
        bytes.appendLittleEndian(SessionFormat.version)
        bytes.appendLittleEndian(storage.sessionCode)
        bytes.append(modelDigest)
        bytes.append(settingsDigest)
        bytes.appendLittleEndian(UInt64(positionCount))
        for number in [layerCount, headCount, headWidth, imageCount] { bytes.appendLittleEndian(UInt32(number)) }
        bytes.appendLittleEndian(tableChecksum)
        bytes.appendLittleEndian(UInt64(fileByteCount))
        unsafe bytes.appendLittleEndian(xxh3(bytes.span.bytes))
        return bytes
    }
}

extension SessionHeader {
    /// Reads a header from the start of a file. The caller compares it with the model.
    ///
    /// - Throws: `session.not-a-session`, `session.version`, `session.damaged`.
    init(_ span: RawSpan) throws {
        let (magic, size) = (SessionFormat.magic, SessionFormat.headerByteCount)
        guard span.byteCount >= magic.count, try span.copyBytes(0..<magic.count) == magic else {
            throw PVITError(
                .notASession, "this is not a session of pvit", bytes: 0..<UInt64(magic.count),
                remedy: "give another file, or one that does not exist yet")
        }
        guard span.byteCount >= size, try span.littleEndian(at: size - 8) == xxh3(span.extracting(0..<size - 8)) else {
            throw PVITError.damagedSession("the header is damaged", 0..<size)
        }
        let version: UInt32 = try span.littleEndian(at: 8)
        guard version == SessionFormat.version else {
            throw PVITError(
                .sessionVersion,
                "the session has version \(version), but this program reads version \(SessionFormat.version)",
                remedy: "remove the file, and the next answer writes a new one")
        }
        let code: UInt32 = try span.littleEndian(at: 12)
        func number(_ offset: Int) throws -> Int { try Int(span.littleEndian(at: offset, as: UInt32.self)) }
        guard let storage = KVCache.Storage.allCases.first(where: { $0.sessionCode == code }),
            let positionCount = Int(exactly: try span.littleEndian(at: 80, as: UInt64.self)),
            let fileByteCount = Int(exactly: try span.littleEndian(at: 112, as: UInt64.self)),
            positionCount <= SessionFormat.maximumPositionCount,
            try number(100) <= SessionFormat.maximumImageCount
        else { throw PVITError.damagedSession("the header has impossible numbers", 0..<size) }
        self.init(
            storage: storage, modelDigest: try Digest(in: span, at: 16), settingsDigest: try Digest(in: span, at: 48),
            positionCount: positionCount, imageCount: try number(100), layerCount: try number(88),
            headCount: try number(92), headWidth: try number(96), tableChecksum: try span.littleEndian(at: 104),
            fileByteCount: fileByteCount)
    }
}

extension KVCache.Storage {
    var sessionCode: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q8: 2
        }
    }
}

extension Array<UInt8> {
    mutating func append(_ digest: Digest) { for index in 0..<32 { append(digest.bytes[index]) } }
}

extension PVITError {
    static func damagedSession(_ what: String, _ bytes: Range<Int>) -> PVITError {
        PVITError(
            .sessionDamaged, what, bytes: UInt64(bytes.lowerBound)..<UInt64(bytes.upperBound),
            remedy: "remove the file, and the next answer writes a new one")
    }
}

extension PVITError.Code {
    /// The file is not a session.
    public static let notASession = Self("session.not-a-session", .badData)
    /// The session was written by a version of the program that computes or writes otherwise.
    public static let sessionVersion = Self("session.version", .badData)
    /// The session is truncated, or bytes of it have changed.
    public static let sessionDamaged = Self("session.damaged", .badData)
    /// The session belongs to another model.
    public static let sessionOfOtherModel = Self("session.other-model", .badData)
    /// The session has keys and values of another type.
    public static let sessionType = Self("session.type", .usage)
}
