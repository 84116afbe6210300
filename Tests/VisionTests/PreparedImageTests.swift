import Architectures
import CheckpointTestSupport
import Storage
import SystemPackage
import Testing

@testable import Vision

@Suite("Images prepared during decoding")
struct PreparedImageTests {
    private func preparation(regions: Bool = true) throws -> ImagePreparation {
        try ImagePreparation(
            CLIPVisionConfiguration(parsing: ["image_size": 28, "patch_size": 14]),
            regions: regions ? RegionEncoderConfiguration(parsing: ["shortest_edge": 40, "longest_edge": 70]) : nil)
    }

    private static let names = [
        "jpeg_17x9_420.jpg", "jpeg_420.jpg", "jpeg_420_progressive.jpg", "jpeg_cmyk.jpg", "jpeg_gray.jpg",
        "png_1bit.png", "png_gray_alpha.png", "png_palette.png", "png_rgb.png", "webp_alpha.webp", "webp_lossless.webp",
    ]

    @Test("preparing rows of a file equals resizing an image in memory", arguments: names)
    func streamed(name: String) throws {
        let path = try Fixtures.path("decode/\(name)")
        let pixels = try PixelImage(contentsOf: path)
        let preparation = try preparation()
        let streamed = try preparation.prepare(ImageFile(path: path))
        #expect(streamed.size == pixels.size)
        #expect(try streamed.square == pixels.resized(to: PixelSize(width: 28, height: 28), filter: .bicubic))
        let scaled = try pixels.resized(
            to: pixels.size.fitting(shortestEdge: 40, longestEdge: 70), filter: .bilinear)
        #expect(streamed.scaled == scaled)
        #expect(try preparation.prepare(pixels).digest == streamed.digest)
        for without in try [self.preparation(regions: false), preparation.withoutRegions] {
            let image = try without.prepare(pixels)
            #expect(image.scaled == nil && image.square == streamed.square && image.digest != streamed.digest)
        }
    }

    @Test("an image with another sample or size has another digest")
    func digests() throws {
        let preparation = try preparation()
        func digest(_ width: Int, _ height: Int, _ change: (inout [UInt8]) -> Void = { _ in }) throws -> ImageDigest {
            var pixels = [UInt8](repeating: 128, count: width * height * 3)
            change(&pixels)
            return try preparation.prepare(
                PixelImage(size: PixelSize(width: width, height: height), pixels: pixels)
            ).digest
        }
        let gray = try digest(50, 40)
        #expect(try digest(50, 40) == gray)
        #expect(try digest(50, 40) { $0[3001] = 200 } != gray)
        #expect(try digest(40, 50) != gray && digest(100, 80) != gray)
    }

    @Test("an image that is too narrow for regions is prepared without them")
    func narrow() throws {
        let size = PixelSize(width: 400, height: 3)
        let image = try preparation().prepare(
            PixelImage(size: size, pixels: [UInt8](repeating: 7, count: size.sampleCount)))
        #expect(image.scaled == nil && image.square.pixels.allSatisfy { $0 == 7 })
    }

    /// A PNG without pixel data.
    private func header(_ width: UInt32, _ height: UInt32, interlacing: UInt8) throws -> ImageHeader {
        var file = PNGBytes()
        file.addHeader(width: width, height: height, interlacing: interlacing)
        file.add("IDAT", [])
        return try file.bytes.withUnsafeBytes { try ImageHeader(of: $0.bytes) }
    }

    @Test("a header states the memory for images that cannot be decoded row by row")
    func decodingBytes() throws {
        #expect(try header(9000, 8000, interlacing: 0).decodingByteCount == 0)
        #expect(try header(9000, 8000, interlacing: 1).decodingByteCount == 9000 * 8000 * 3)
        func bytes(_ name: String) throws -> Int {
            try ImageFile(path: Fixtures.path("decode/\(name)")).header.decodingByteCount
        }
        #expect(try bytes("jpeg_420.jpg") == 0 && bytes("jpeg_cmyk.jpg") == 0 && bytes("png_palette.png") == 0)
        // 67 × 45 pixels: at least six coefficients of two bytes for four pixels.
        #expect(try bytes("jpeg_420_progressive.jpg") > 67 * 45 * 3)
        #expect(try bytes("webp_lossy.webp") > 67 * 45 * 3 && bytes("webp_lossless.webp") > 67 * 45 * 7)
    }

    @Test("an image that needs too much memory is refused before decoding, in one line")
    func tooLarge() throws {
        let folder = try TemporaryFolder()
        var bytes = PNGBytes()
        bytes.addHeader(width: 9000, height: 8000, interlacing: 1)
        bytes.add("IDAT", [1, 2, 3])
        let file = try ImageFile(path: folder.write("a.png", bytes.bytes))
        try file.header.checkDecoding(in: nil)
        try file.header.checkDecoding(in: 216_000_000)
        let error = try #require(throws: PVITError.self) { try file.header.checkDecoding(in: 215_999_999) }
        #expect(error.code == .imageMemory && error.code.category == .usage)
        #expect(error.what.contains("an interlaced PNG of 9000 × 8000 pixels takes 216 MB"))
        #expect(error.file?.hasSuffix("a.png") == true && error.remedy?.contains("--memory") == true)
    }
}
