import CheckpointTestSupport
import Storage
import Testing

@testable import Vision

@Suite("Malformed images")
struct MalformedImageTests {
    private func code(_ bytes: [UInt8]) throws -> String? {
        do {
            _ = try PixelImage(decoding: bytes)
            return nil
        } catch let error as PVITError { return error.code.name }
    }

    @Test(
        "an image truncated anywhere is damaged, never half an image",
        arguments: [
            "jpeg_17x9_420.jpg", "jpeg_420_progressive.jpg", "jpeg_cmyk.jpg", "webp_lossy.webp", "webp_alpha.webp",
            "webp_lossless.webp",
        ])
    func truncated(name: String) throws {
        let bytes = try Fixtures.bytes("decode/\(name)")
        #expect(try code(bytes) == nil)
        for count in 12..<bytes.count {
            #expect(try code(Array(bytes.prefix(count))) == "image.damaged", "\(count) bytes")
        }
        for count in 0..<3 { #expect(try code(Array(bytes.prefix(count))) == "image.format") }
    }

    @Test(
        "a truncated PNG is complete or damaged, never half an image", arguments: ["png_gray.png", "png_palette.png"])
    func truncatedPNG(name: String) throws {
        let bytes = try Fixtures.bytes("decode/\(name)")
        let whole = try PixelImage(decoding: bytes)
        var firstWhole: Int?
        for count in 12..<bytes.count {
            let image = try? PixelImage(decoding: Array(bytes.prefix(count)))
            #expect(image == nil || image == whole, "\(count) bytes")
            if image != nil { firstWhole = firstWhole ?? count }
        }
        // The end chunk, both checksums of the pixels, and the end mark of the compressed data.
        let distance = bytes.count - (firstWhole ?? 0)
        #expect((20...24).contains(distance))
    }

    @Test("damaged entropy-coded data in a JPEG is an error")
    func jpegData() throws {
        var bytes = try Fixtures.bytes("decode/jpeg_444.jpg")
        let scan = try #require(bytes.indices.dropLast().last { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA })
        // A marker in the middle of the scan, as after lost bytes.
        bytes.replaceSubrange(scan + 100..<scan + 102, with: [0xFF, 0xD9])
        #expect(try code(bytes) == "image.damaged")
        // The standard tables have no Huffman code of all ones.
        bytes.replaceSubrange(scan + 60..<scan + 110, with: repeatElement([0xFF, 0x00], count: 25).flatMap { $0 })
        #expect(try code(bytes) == "image.damaged")
    }

    /// The offset of a JPEG's frame header.
    private func frame(_ bytes: [UInt8]) throws -> Int {
        try #require(bytes.indices.dropLast().first { bytes[$0] == 0xFF && [0xC0, 0xC2].contains(bytes[$0 + 1]) })
    }

    @Test("the size of a JPEG is checked before decoding")
    func jpegSizes() throws {
        let bytes = try Fixtures.bytes("decode/jpeg_420.jpg")
        let frame = try frame(bytes)
        func resized(_ size: [UInt8]) -> [UInt8] {
            var copy = bytes
            copy.replaceSubrange(frame + 5..<frame + 9, with: size)
            return copy
        }
        #expect(try code(resized([0, 0, 0, 67])) == "image.damaged")
        #expect(try code(resized([0, 45, 0, 0])) == "image.damaged")
        #expect(try code(resized([0xFF, 0xFF, 0xFF, 0xFF])) == "image.damaged", "over libjpeg's own limit")
        #expect(try code(resized([0xEA, 0x60, 0xEA, 0x60])) == "image.too-large", "60000 × 60000")
        #expect(try code(resized([0x13, 0x88, 0x13, 0x88])) == "image.damaged", "5000 × 5000 and no data for it")
    }

    @Test("a JPEG with 2 channels, 12 bits per sample or no scan is damaged")
    func jpegHeaders() throws {
        let bytes = try Fixtures.bytes("decode/jpeg_444.jpg")
        let frame = try frame(bytes)
        var deep = bytes
        deep[frame + 4] = 12
        #expect(try code(deep) == "image.damaged")
        var two = bytes
        two[frame + 3] = 14
        two[frame + 9] = 2
        two.removeSubrange(frame + 16..<frame + 19)
        #expect(try code(two) == "image.damaged")
        #expect(try code(Array(bytes.prefix(frame)) + [0xFF, 0xD9]) == "image.damaged")
    }

    @Test("a progressive JPEG with too many scans is refused")
    func jpegScans() throws {
        let bytes = try Fixtures.bytes("decode/jpeg_420_progressive.jpg")
        let first = try #require(bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA })
        let end = try #require(bytes.indices.dropLast().first { $0 > first && bytes[$0] == 0xFF && bytes[$0 + 1] != 0 })
        let scan = bytes[first..<end]
        let repeated = bytes[..<first] + Array(repeatElement(scan, count: 200).joined()) + bytes[end...]
        let error = try #require(throws: PVITError.self) { try PixelImage(decoding: Array(repeated)) }
        #expect(error.what == "the JPEG image cannot be decoded: More than 100 scans")
    }

    /// An RGB PNG of 2 × 2 pixels, modified by `change`.
    private func png(
        width: UInt32 = 2, height: UInt32 = 2, depth: UInt8 = 8, colorType: UInt8 = 2, interlacing: UInt8 = 0,
        data: [UInt8] = PNGBytes.stored([0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]),
        _ change: (inout PNGBytes) -> Void = { _ in }
    ) -> [UInt8] {
        var file = PNGBytes()
        file.addHeader(width: width, height: height, depth: depth, colorType: colorType, interlacing: interlacing)
        change(&file)
        file.add("IDAT", data)
        file.add("IEND", [])
        return file.bytes
    }

    @Test("a PNG with an invalid header is refused before decoding")
    func pngHeaders() throws {
        #expect(try PixelImage(decoding: png()).pixels == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        #expect(try code(png(width: 0)) == "image.damaged")
        #expect(try code(png(height: 0)) == "image.damaged")
        #expect(try code(png(width: 1 << 31)) == "image.damaged")
        #expect(try code(png(width: 65_536)) == "image.too-large")
        #expect(try code(png(width: (1 << 31) - 1, height: (1 << 31) - 1)) == "image.too-large")
        #expect(try code(png(width: 20_000, height: 20_000)) == "image.too-large")
        #expect(try code(png(width: 5000, height: 5000)) == "image.damaged", "no data for it")
        #expect(try code(png(depth: 3)) == "image.damaged")
        #expect(try code(png(depth: 4)) == "image.damaged", "RGB of 4 bits")
        #expect(try code(png(colorType: 5)) == "image.damaged")
        #expect(try code(png(interlacing: 2)) == "image.damaged")
        #expect(try code(png(colorType: 3)) == "image.damaged", "a palette is needed")
    }

    @Test("a PNG with wrong checksums, lengths or order of chunks is damaged")
    func pngChunks() throws {
        #expect(try code(png { $0.add("tEXt", [65, 0, 66]) }) == nil)
        #expect(try code(png { $0.add("tEXt", [65, 0, 66], checksumOff: 1) }) == "image.damaged")
        #expect(try code(png { $0.add("tEXt", [65], length: 0xFFFF_FFFF) }) == "image.damaged")
        #expect(try code(png { $0.add("tEXt", [65], length: 0x7FFF_FFFF) }) == "image.damaged")
        #expect(try code(png { $0.add("ABCD", [1]) }) == "image.damaged", "an unknown chunk that must be understood")
        #expect(try code(png { $0.add("IEND", []) }) == "image.damaged")
        #expect(try code(png { $0.add("IDAT", [1, 2, 3], checksumOff: 1) }) == "image.damaged")
    }

    @Test("a PNG whose compressed data is wrong, too short or has an unknown filter is damaged")
    func pngData() throws {
        let data = PNGBytes.stored([0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12])
        var wrongSum = data
        wrongSum[data.count - 1] ^= 1
        #expect(try code(png(data: wrongSum)) == "image.damaged")
        #expect(try code(png(data: [0x78, 0x01, 0xFF, 1, 2, 3])) == "image.damaged")
        #expect(try code(png(data: [])) == "image.damaged")
        #expect(try code(png(data: PNGBytes.stored([0, 1, 2, 3, 4, 5, 6]))) == "image.damaged")
        #expect(try code(png(data: PNGBytes.stored([9, 1, 2, 3, 4, 5, 6, 9, 7, 8, 9, 10, 11, 12]))) == "image.damaged")
    }

    @Test("a WebP whose sizes or chunks contradict each other is damaged")
    func webp() throws {
        let lossy = try Fixtures.bytes("decode/webp_lossy.webp")
        for (place, byte) in [(4, 0), (7, 0xFF), (12, 0x58), (16, 0xFF), (19, 0x7F)] as [(Int, UInt8)] {
            var bytes = lossy
            bytes[place] = byte
            #expect(try code(bytes) == "image.damaged", "byte \(place)")
        }
        var canvas = try Fixtures.bytes("decode/webp_alpha.webp")
        #expect(Array(canvas[12..<16]) == Array("VP8X".utf8))
        canvas.replaceSubrange(24..<30, with: [0xFF, 0xFF, 0, 0xFF, 0xFF, 0])
        #expect(try code(canvas) == "image.damaged")
    }
}
