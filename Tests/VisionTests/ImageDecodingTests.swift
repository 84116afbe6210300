import CheckpointTestSupport
import Storage
import SystemPackage
import Testing

@testable import Vision

@Suite("Image decoding")
struct ImageDecodingTests {
    private static let readable = try? Fixtures.json("decode/cases.json")["records"]?.array?
        .compactMap { $0["file"]?.string }.filter { !$0.hasSuffix(".bmp") && !$0.hasSuffix(".gif") }

    @Test("files of every kind become the pixels that Pillow decodes", arguments: readable ?? [])
    func goldens(name: String) throws {
        let cases = try #require(try Fixtures.json("decode/cases.json")["records"]?.array)
        let expected = try #require(cases.first { $0["file"]?.string == name })
        let image = try PixelImage(contentsOf: Fixtures.path("decode/\(name)"))
        #expect(image.size == expected["wh"]?.pixelSize)
        #expect(image.digest == expected["rgb_sha256"]?.string)
    }

    @Test("there are 21 such files")
    func goldenCount() { #expect(Self.readable?.count == 21) }

    @Test("photographs become the pixels that Pillow decodes")
    func photographs() throws {
        for photo in try #require(try Fixtures.json("photos/cases.json").array) {
            let name = try #require(photo["file"]?.string)
            let image = try PixelImage(contentsOf: Fixtures.photo(name))
            #expect(image.width == photo["width"]?.integer && image.height == photo["height"]?.integer)
            #expect(image.digest == photo["rgb_sha256"]?.string, "\(name)")
        }
    }

    @Test("the format is told by the content, not by the name")
    func misnamed() throws {
        let folder = try TemporaryFolder()
        for name in ["png_rgb.png", "jpeg_420.jpg", "webp_lossy.webp"] {
            let bytes = try Fixtures.bytes("decode/\(name)")
            let path = try folder.write("photo.gif", bytes)
            #expect(try PixelImage(contentsOf: path) == PixelImage(decoding: bytes))
        }
    }

    @Test("formats that are not read are named in the error")
    func otherFormats() throws {
        let heads: [(String, [UInt8])] = [
            ("GIF", try Fixtures.bytes("decode/gif.gif")), ("BMP", try Fixtures.bytes("decode/bmp.bmp")),
            ("TIFF", Array("II*\0aaaa".utf8)), ("TIFF", Array("MM\0*aaaa".utf8)),
            ("AVIF", Array("\0\0\0 ftypavif".utf8)), ("HEIF", Array("\0\0\0 ftypheic".utf8)),
            ("JPEG XL", [0xFF, 0x0A, 1, 2]), ("JPEG 2000", [0xFF, 0x4F, 0xFF, 0x51]), ("ICO", [0, 0, 1, 0, 1, 0]),
            ("PNM", Array("P6\n3 2\n255\n".utf8)), ("PDF", Array("%PDF-1.7".utf8)), ("Photoshop", Array("8BPS".utf8)),
        ]
        for (name, bytes) in heads {
            let error = try #require(throws: PVITError.self) { try PixelImage(decoding: bytes) }
            #expect(error.code == .imageFormat)
            #expect(error.what == "this is a \(name) file")
            #expect(error.remedy == "JPEG, PNG and WebP images can be read; convert it to one of them")
        }
        for (bytes, what) in [
            ([], "the file is empty"), (Array("hello".utf8), "this is not an image of a known format"),
        ] {
            let error = try #require(throws: PVITError.self) { try PixelImage(decoding: bytes) }
            #expect(error.code == .imageFormat && error.what == what)
        }
    }

    @Test("an error names the file")
    func location() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.jpg", Array("GIF89a".utf8))
        let error = try #require(throws: PVITError.self) { try PixelImage(contentsOf: path) }
        #expect(error.file == path.string)
        let missing = try #require(throws: PVITError.self) { try PixelImage(contentsOf: path.appending("b")) }
        #expect(missing.code == .fileNotFound)
    }

    @Test("samples that are not as many as the size needs are refused")
    func sampleCount() throws {
        let size = PixelSize(width: 2, height: 1)
        #expect(try PixelImage(size: size, pixels: [1, 2, 3, 4, 5, 6]).height == 1)
        #expect(throws: PVITError.self) { try PixelImage(size: size, pixels: [1, 2, 3, 4, 5]) }
        #expect(throws: PVITError.self) { try PixelImage(size: PixelSize(width: 0, height: 1), pixels: []) }
        #expect(throws: PVITError.self) { try PixelImage(size: PixelSize(width: -1, height: -1), pixels: [1, 2, 3]) }
    }
}
