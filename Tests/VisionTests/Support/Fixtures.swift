import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing
import Vision

/// Images that Pillow 9.4.0 decoded and resized, and what it made of them.
///
/// `decode` has small files of many formats, `photos` what became of a few photographs, `resize` arrays before and
/// after `Image.resize`.
enum Fixtures {
    static func path(_ name: String) throws -> FilePath {
        FilePath(try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/\(name)").path)
    }

    static func photo(_ name: String) -> FilePath { FilePath(SharedFixtures.path("photos/\(name)")) }

    static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path(name).string)))
    }

    static func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: bytes(name)) }
}

extension PixelImage {
    init(decoding bytes: some Sequence<UInt8>) throws {
        self = try Array(bytes).withUnsafeBytes { try PixelImage(decoding: $0.bytes) }
    }

    /// The SHA-256 of the samples.
    var digest: String {
        SHA256.digest(of: pixels).description
    }
}

extension JSONValue {
    /// A size, stored as a list of width and height.
    var pixelSize: PixelSize? {
        guard let sides = array?.compactMap(\.integer), sides.count == 2 else { return nil }
        return PixelSize(width: sides[0], height: sides[1])
    }
}
