import Architectures
import CheckpointTestSupport
import SystemPackage
import TestSupport
import Testing

@testable import Vision

@Suite("Agreement with Pillow", .needsPython)
struct PillowAgreementTests {
    /// Writes images of every kind that Pillow writes, and of some that it only reads. Prints the name, the size and
    /// the SHA-256 of the RGB pixels of each.
    private static let everyKind = """
        import hashlib, io, random, struct, sys, zlib
        import numpy as np
        from PIL import Image
        r = np.random.default_rng(7)

        def smooth(h, w, c):
            coarse = r.integers(0, 256, (max(h // 7, 1) + 1, max(w // 7, 1) + 1, c), dtype=np.uint8)
            planes = [Image.fromarray(coarse[..., i]).resize((w, h), Image.BICUBIC) for i in range(c)]
            noise = r.integers(-9, 10, (h, w, c))
            return np.clip(np.stack([np.asarray(p) for p in planes], -1) + noise, 0, 255).astype(np.uint8)

        def emit(name, data):
            open(f"{sys.argv[1]}/{name}", "wb").write(data)
            image = Image.open(io.BytesIO(data)).convert("RGB")
            print(name, *image.size, hashlib.sha256(image.tobytes()).hexdigest())

        def save(name, image, **options):
            stream = io.BytesIO()
            image.save(stream, **options)
            emit(name, stream.getvalue())

        def chunk(type, data):
            return struct.pack(">I", len(data)) + type + data + struct.pack(">I", zlib.crc32(type + data))

        PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]

        def png(samples, depth, color, interlaced, extra=b""):
            h, w, _ = samples.shape
            raw = b""
            for y, x, dy, dx in PASSES if interlaced else [(0, 0, 1, 1)]:
                part = samples[y::dy, x::dx]
                for row in part if part.size else []:
                    flat = row.reshape(-1)
                    bits = (flat[:, None] >> np.arange(depth)[::-1]) & 1
                    raw += b"\\0" + np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()
            header = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, interlaced)
            return (b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw))
                    + chunk(b"IEND", b""))

        sizes = [(1, 1), (1, 9), (8, 8), (17, 3), (31, 40), (65, 129)]
        for h, w in sizes:
            rgb, grey, inks = smooth(h, w, 3), smooth(h, w, 1)[..., 0], smooth(h, w, 4)
            tag = f"{w}x{h}"
            for quality in [3, 40, 75, 95, 100]:
                for sampling in [0, 1, 2]:
                    for progressive in [False, True]:
                        save(f"{tag}-q{quality}-s{sampling}-p{progressive}.jpg", Image.fromarray(rgb), format="JPEG",
                             quality=quality, subsampling=sampling, progressive=progressive, optimize=quality == 40)
                save(f"{tag}-q{quality}-grey.jpg", Image.fromarray(grey), format="JPEG", quality=quality)
                save(f"{tag}-q{quality}-cmyk.jpg", Image.fromarray(inks, "CMYK"), format="JPEG", quality=quality)
            save(f"{tag}-restarts.jpg", Image.fromarray(rgb), format="JPEG", restart_marker_blocks=1)
            save(f"{tag}-keep-rgb.jpg", Image.fromarray(rgb), format="JPEG", keep_rgb=True)
            for lossless in [False, True]:
                for name, image in [("rgb", rgb), ("rgba", inks)]:
                    for quality in [5, 80]:
                        save(f"{tag}-{name}-l{lossless}-q{quality}.webp", Image.fromarray(image), format="WEBP",
                             lossless=lossless, quality=quality, exact=quality == 5)
            frames = [Image.fromarray(smooth(h, w, 4)) for _ in range(3)]
            save(f"{tag}-animated.webp", frames[0], format="WEBP", save_all=True, append_images=frames[1:],
                 lossless=True)
            save(f"{tag}-animated.png", frames[0], format="PNG", save_all=True, append_images=frames[1:])
            transparency = {0: struct.pack(">H", 1), 2: struct.pack(">HHH", 1, 2, 3), 3: bytes([0, 128])}
            for color, channels, depths in [(0, 1, [1, 2, 4, 8, 16]), (2, 3, [8, 16]), (3, 1, [1, 2, 4, 8]),
                                            (4, 2, [8, 16]), (6, 4, [8, 16])]:
                for depth in depths:
                    for interlaced in [0, 1]:
                        for transparent in [0, 1] if color in transparency else [0]:
                            top = 600 if (color, depth, interlaced) == (0, 16, 1) else 1 << depth
                            samples = r.integers(0, top, (h, w, channels))
                            extra = b""
                            if color == 3:
                                extra = chunk(b"PLTE", r.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes())
                            if transparent:
                                extra += chunk(b"tRNS", transparency[color])
                            extra += chunk(b"gAMA", struct.pack(">I", 30000)) if interlaced else b""
                            emit(f"{tag}-c{color}-d{depth}-i{interlaced}-t{transparent}.png",
                                 png(samples, depth, color, interlaced, extra))
        """

    @Test("images of every kind have the same pixels")
    func everyKind() throws {
        let folder = try TemporaryFolder()
        let listing = try Python.run(Self.everyKind, folder.path.string)
        let lines = listing.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.count > 400)
        for line in lines {
            let image = try PixelImage(contentsOf: folder.path.appending(line[0]))
            #expect("\(image.width) \(image.height)" == "\(line[1]) \(line[2])", "\(line[0])")
            #expect(image.digest == line[3], "\(line[0])")
        }
    }

    /// Resizes random arrays. Writes width, height, new width, new height and filter of each as 16-bit numbers,
    /// then both arrays.
    private static let resizing = """
        import struct, sys
        import numpy as np
        from PIL import Image
        r = np.random.default_rng(int(sys.argv[2]))
        side = lambda: int(2 ** r.uniform(0, 7.5))
        sizes = [(side(), side(), side(), side()) for _ in range(150)]
        sizes += [(1, 1, 1, 1), (1, 1, 50, 70), (900, 1, 1, 40), (1, 900, 40, 1), (3000, 2, 3, 2), (2, 2, 900, 1),
                  (100, 80, 100, 33), (100, 80, 33, 80), (100, 80, 99, 81)]
        with open(sys.argv[1], "wb") as output:
            for number, (w, h, w2, h2) in enumerate(sizes):
                a = r.integers(0, 256, (h, w, 3), dtype=np.uint8)
                if number % 3 == 0:
                    a = np.where(a > 127, 255, 0).astype(np.uint8)
                for filter in [Image.BILINEAR, Image.BICUBIC]:
                    # Columns first: newer versions take whichever order is faster, and round another intermediate.
                    b = np.asarray(Image.fromarray(a).resize((w2, h), filter).resize((w2, h2), filter))
                    output.write(struct.pack("<5H", w, h, w2, h2, filter) + a.tobytes() + b.tobytes())
        """

    @Test("arrays of any size are resized to the same bytes", arguments: [1, 2])
    func resizing(seed: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("arrays")
        _ = try Python.run(Self.resizing, path.string, String(seed))
        let bytes = try contents(of: path)
        var (place, count) = (0, 0)
        while place < bytes.count {
            let numbers = (0..<5).map { Int(bytes[place + 2 * $0]) | Int(bytes[place + 2 * $0 + 1]) << 8 }
            let size = PixelSize(width: numbers[0], height: numbers[1])
            let newSize = PixelSize(width: numbers[2], height: numbers[3])
            place += 10
            let samples = Array(bytes[place..<place + size.width * size.height * 3])
            place += samples.count
            let expected = Array(bytes[place..<place + newSize.width * newSize.height * 3])
            place += expected.count
            let filter = numbers[4] == 3 ? ResamplingFilter.bicubic : .bilinear
            let result = try PixelImage(size: size, pixels: samples).resized(to: newSize, filter: filter)
            let isEqual = result.pixels == expected
            #expect(isEqual, "\(size) to \(newSize), \(filter)")
            count += 1
        }
        #expect(count == 318)
    }
}
