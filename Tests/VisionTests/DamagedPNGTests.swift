import CheckpointTestSupport
import Storage
import SystemPackage
import TestSupport
import Testing

@testable import Vision

@Suite("PNG files with a damaged end")
struct DamagedPNGTests {
    private static let rows: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]
    private static let pixels: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]

    /// An image of 2 × 2 pixels, without anything after its pixels.
    private func png(_ data: [UInt8], checksumOff: UInt32 = 0, length: UInt32? = nil) -> PNGBytes {
        var file = PNGBytes()
        file.addHeader(width: 2, height: 2)
        file.add("IDAT", data, checksumOff: checksumOff, length: length)
        return file
    }

    private func pixels(_ bytes: [UInt8]) -> [UInt8]? { try? PixelImage(decoding: bytes).pixels }

    @Test("the end chunk and redundant checksums may be missing")
    func missing() {
        let whole = png(PNGBytes.stored(Self.rows)).bytes
        // Checksums of the chunk and of the compressed data, which are not needed once all pixels are decoded.
        for count in 0...8 { #expect(pixels(Array(whole.dropLast(count))) == Self.pixels, "\(count) bytes fewer") }
        #expect(pixels(Array(whole.dropLast(9))) == nil)
        #expect(pixels(png(PNGBytes.stored(Self.rows), checksumOff: 1).bytes) == Self.pixels)
        #expect(pixels(png(PNGBytes.stored(Self.rows), length: 1000).bytes) == Self.pixels)
        #expect(pixels(png(PNGBytes.stored(Self.rows), length: .max).bytes) == Self.pixels)
        for end in [[0], [0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Array("garbage, more of it".utf8)] as [[UInt8]]
        {
            #expect(pixels(whole + end) == Self.pixels)
        }
    }

    @Test("missing pixels, and pixels with a wrong checksum, are damage")
    func lost() {
        var wrongSum = PNGBytes.stored(Self.rows)
        wrongSum[wrongSum.count - 1] ^= 1
        #expect(pixels(png(wrongSum).bytes) == nil)
        #expect(pixels(png(PNGBytes.stored(Array(Self.rows.dropLast()))).bytes) == nil)
        #expect(pixels(png(PNGBytes.stored(Array(Self.rows.dropLast(7)))).bytes) == nil)
    }

    @Test("a truncated chunk after the pixels is damage")
    func cutChunk() throws {
        var file = png(PNGBytes.stored(Self.rows))
        let count = file.bytes.count
        file.add("tEXt", [65, 0, 66])
        #expect(pixels(Array(file.bytes.dropLast(2))) == Self.pixels)
        let error = try #require(throws: PVITError.self) { try PixelImage(decoding: file.bytes.dropLast(5)) }
        #expect(error.code == .imageDamaged && error.what.contains("inside the chunk tEXt"))
        #expect(pixels(Array(file.bytes.prefix(count + 7))) == Self.pixels, "there is no whole head of a chunk")
    }

    /// Writes damaged files of 5 × 4 pixels, some of them interlaced. Prints the name of each, and the SHA-256 of
    /// Pillow's RGB pixels or `damaged`.
    private static let damage = """
        import hashlib, io, random, struct, sys, warnings, zlib
        from PIL import Image
        warnings.simplefilter("ignore")

        def chunk(type, data, wrong=0):
            return struct.pack(">I", len(data)) + type + data + struct.pack(">I", zlib.crc32(type + data) ^ wrong)

        def header(interlaced=0):
            return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 8, 2, 0, 0, interlaced))

        number = 0
        def emit(data):
            global number
            try:
                result = hashlib.sha256(Image.open(io.BytesIO(data)).convert("RGB").tobytes()).hexdigest()
            except Exception:
                result = "damaged"
            open(f"{sys.argv[1]}/{number}.png", "wb").write(data)
            print(f"{number}.png", result)
            number += 1

        random.seed(4)
        plain = b"".join(b"\\0" + random.randbytes(15) for _ in range(4))
        seven = b"".join(b"\\0" + random.randbytes(3 * w) for w, h in
                         [(1, 1), (1, 1), (2, 0), (1, 1), (3, 1), (2, 2), (5, 2)] for _ in range(h))
        text, end = chunk(b"tEXt", b"a\\0b"), chunk(b"IEND", b"")
        for interlaced, rows in [(0, plain), (1, seven)]:
            for level in [0, 6]:
                data = zlib.compress(rows, level)
                start, pixels = header(interlaced), chunk(b"IDAT", data)
                half = chunk(b"IDAT", data[:9]) + chunk(b"IDAT", data[9:])
                for count in range(1, 30):
                    emit(start + pixels[:-count])
                    emit(start + half[:-count])
                for count in range(12):
                    emit(start + pixels + end[:count])
                for count in range(8, len(text)):
                    emit(start + pixels + text[:count])
                for after in [b"\\0" * 12, b"\\1\\2\\3\\4\\5\\6\\7\\10", text + b"123", text, end + b"more", chunk(b"IDAT", b""),
                              chunk(b"IDAT", b"123"), chunk(b"tEXt", b"a\\0b", 1), b"\\x7f\\xff\\xff\\xfftEXtab",
                              b"\\xff\\xff\\xff\\xffabCdab", chunk(b"IEND", b"", 1), chunk(b"IEND", b"abc")]:
                    emit(start + pixels + after)
                    emit(start + pixels + after + end)
                wrong = data[:-1] + bytes([data[-1] ^ 1])
                for middle in [chunk(b"IDAT", data, 1), chunk(b"IDAT", data + b"xyz"), chunk(b"IDAT", wrong),
                               chunk(b"IDAT", data[:-4]), chunk(b"IDAT", b"") + pixels, chunk(b"IDAT", b""), b"",
                               chunk(b"IDAT", data[:9]) + text + chunk(b"IDAT", data[9:]),
                               chunk(b"IDAT", zlib.compress(rows + b"\\0" * 64, level)),
                               chunk(b"IDAT", zlib.compress(rows[:-1], level)), chunk(b"tEXt", b"a\\0b", 1) + pixels,
                               chunk(b"tRNS", b"\\0\\1\\0\\1\\0\\1", 1) + pixels,
                               struct.pack(">I", len(data) + 50) + b"IDAT" + data]:
                    emit(start + middle)
                    emit(start + middle + end)
        """

    @Test("damaged files are decoded or refused as by Pillow", .needsPython)
    func pillow() throws {
        let folder = try TemporaryFolder()
        let lines = try Python.run(Self.damage, folder.path.string).split(separator: "\n")
        #expect(lines.count > 400)
        for line in lines {
            let words = line.split(separator: " ")
            let path = folder.path.appending(String(words[0]))
            #expect((try? PixelImage(contentsOf: path).digest) ?? "damaged" == words[1], "\(line)")
        }
    }
}
