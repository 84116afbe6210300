import CheckpointTestSupport
import SystemPackage
import TestSupport
import Testing

@testable import Vision

@Suite("The orientation of images")
struct ImageOrientationTests {
    /// An EXIF block with an entry before the orientation.
    private func block(
        _ value: UInt16, littleEndian: Bool = true, type: UInt16 = 3, count: UInt32 = 1, entries: UInt16 = 2,
        list: UInt32 = 8
    ) -> [UInt8] {
        func number(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: littleEndian ? value.littleEndian : value.bigEndian) { Array($0) }
        }
        let other = number(UInt16(0x010F)) + number(UInt16(2)) + number(UInt32(2)) + [65, 0, 0, 0]
        let orientation = number(UInt16(0x0112)) + number(type) + number(count) + number(value) + [0, 0]
        return Array((littleEndian ? "II" : "MM").utf8) + number(UInt16(42)) + number(list) + number(entries) + other
            + orientation + [0, 0, 0, 0]
    }

    private func orientation(_ block: [UInt8]) -> Int {
        block.withUnsafeBytes { EXIFBlock.orientation(in: $0.bytes).rawValue }
    }

    @Test("all eight orientations are read, in both byte orders, with and without JPEG's prefix")
    func values() {
        for value in 1...8 {
            for isLittle in [true, false] {
                let block = block(UInt16(value), littleEndian: isLittle)
                #expect(orientation(block) == value && orientation(Array("Exif\0\0".utf8) + block) == value)
            }
        }
    }

    @Test("malformed and truncated blocks are ignored")
    func malformed() {
        for value: UInt16 in [0, 9, 256, 65_535] { #expect(orientation(block(value)) == 1) }
        #expect(orientation(block(6, type: 2)) == 1 && orientation(block(6, count: 2)) == 1)
        #expect(orientation(block(6, entries: 0)) == 1 && orientation(block(6, entries: 1)) == 1)
        #expect(orientation(block(6, entries: 65_535)) == 6)
        for list: UInt32 in [0, 7, 36, 1 << 31, .max] { #expect(orientation(block(6, list: list)) == 1) }
        let whole = block(6)
        // Four bytes follow the list, and two follow the value.
        for count in 0..<whole.count - 6 { #expect(orientation(Array(whole.prefix(count))) == 1, "\(count) bytes") }
        #expect(orientation([0x49, 0x49, 43, 0] + whole.dropFirst(4)) == 1)
    }

    @Test("damaged blocks never trap")
    func mutations() {
        var mutator = Mutator(seed: 7)
        for _ in 0..<5000 {
            let value = orientation(mutator.mutate(block(6, littleEndian: Bool.random(using: &mutator.random))))
            #expect((1...8).contains(value))
        }
    }

    @Test("the orientation of a JPEG and a PNG is reported, and their pixels are not turned")
    func files() throws {
        let jpeg = try Fixtures.bytes("decode/jpeg_exif_orientation6.jpg")
        let header = try jpeg.withUnsafeBytes { try ImageHeader(of: $0.bytes) }
        #expect(header.orientation == .turnedClockwise)
        for after in [false, true] {
            var png = PNGBytes()
            png.addHeader(width: 2, height: 1)
            if !after { png.add("eXIf", block(8, littleEndian: false)) }
            png.add("IDAT", PNGBytes.stored([0, 1, 2, 3, 4, 5, 6]))
            if after { png.add("eXIf", block(8, littleEndian: false)) }
            png.add("IEND", [])
            let header = try png.bytes.withUnsafeBytes { try ImageHeader(of: $0.bytes) }
            #expect(header.orientation == .turnedCounterclockwise)
            #expect(try PixelImage(decoding: png.bytes).pixels == [1, 2, 3, 4, 5, 6])
        }
        let plain = try Fixtures.bytes("decode/jpeg_420.jpg")
        #expect(try plain.withUnsafeBytes { try ImageHeader(of: $0.bytes) }.orientation == .upright)
    }

    /// Writes files with orientations. Prints the name of each and the number that Pillow reads.
    private static let files = """
        import sys
        from PIL import Image
        for number in range(0, 10):
            for name in ["a.jpg", "a.png", "a.webp"]:
                exif = Image.Exif()
                exif[0x010F] = "maker"
                exif[0x0112] = number
                path = f"{sys.argv[1]}/{number}{name}"
                Image.new("RGB", (5, 3), (9, 8, 7)).save(path, exif=exif)
                print(f"{number}{name}", Image.open(path).getexif().get(0x0112))
        """

    @Test("orientations agree with Pillow", .needsPython)
    func pillow() throws {
        let folder = try TemporaryFolder()
        let lines = try Python.run(Self.files, folder.path.string).split(separator: "\n")
        #expect(lines.count == 30)
        for line in lines {
            let words = line.split(separator: " ")
            let number = try #require(Int(words[1]))
            let header = try ImageFile(path: folder.path.appending(String(words[0]))).header
            #expect(header.orientation.rawValue == ((1...8).contains(number) ? number : 1), "\(line)")
        }
    }
}
