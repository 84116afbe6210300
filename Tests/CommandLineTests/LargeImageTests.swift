import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Large and rotated images on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct LargeImageTests {
    private static let fixtures = CommandLineRunner.packageRoot.appending("Tests")
    private static let photo = SharedFixtures.path("photos/0024.jpg")
    private static let turned = fixtures.appending("VisionTests/Fixtures/decode/jpeg_exif_orientation6.jpg").string

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(_ arguments: [String]) throws -> CommandLineRunner.Outcome {
        try CommandLineRunner.run(["run", Models.path("pvit-f32.pvq"), "--max-tokens", "1"] + arguments)
    }

    /// Writes a PNG.
    private static let png = """
        import struct, sys, zlib
        width, height, interlaced = map(int, sys.argv[2:])
        def chunk(type, data):
            return struct.pack(">I", len(data)) + type + data + struct.pack(">I", zlib.crc32(type + data))
        rows = b"" if interlaced else b"".join(b"\\2" + bytes([y % 3]) * (3 * width) for y in range(height))
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
        with open(sys.argv[1], "wb") as file:
            file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)))
        """

    private func write(width: Int, height: Int, isInterlaced: Bool) throws -> String {
        let path = folder.path.appending("large.png").string
        _ = try Python.run(Self.png, path, "\(width)", "\(height)", isInterlaced ? "1" : "0")
        return path
    }

    private func peak(_ image: String) throws -> Int {
        struct Answer: Decodable {
            struct Timings: Decodable { let peak_rss_bytes: Int }
            let timings: Timings
        }
        let prompt = "See <Region><L0><L0><L9><L9></Region>"
        return try CommandLineRunner.decode(
            Answer.self,
            from: [
                "run", Models.path("pvit-f32.pvq"), "--max-tokens", "1", "--image", image, "--memory", "470MB",
                "--json",
                prompt,
            ]
        ).timings.peak_rss_bytes
    }

    @Test("a large image is never whole in memory", .enabled(if: Python.isPresent), .measuresMemory)
    func streamed() throws {
        // 24 MB of pixels. Both images are scaled to about the same size.
        let large = try write(width: 4000, height: 2000, isInterlaced: false)
        #expect(try peak(large) - peak(Self.photo) < 12_000_000)
    }

    @Test(
        "an image that must be decoded as a whole, and is too large for that, is refused before decoding",
        .enabled(if: Python.isPresent), .measuresMemory)
    func tooLarge() throws {
        let large = try write(width: 13_000, height: 13_000, isInterlaced: true)
        let outcome = try run(["--image", large, "--memory", "470MB", "x"])
        #expect(outcome.isOneLineError(64) && outcome.output.isEmpty)
        for words in ["large.png", "13000 × 13000", "507 MB", "not interlaced", "--memory"] {
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
        }
        let bomb = try write(width: 60_000, height: 60_000, isInterlaced: true)
        let refused = try run(["--image", bomb, "x"])
        #expect(refused.isOneLineError(65) && refused.errors.contains("60000 × 60000 pixels is too large"))
    }

    @Test("an EXIF orientation is reported in a note, in the JSON and in errors about regions")
    func orientation() throws {
        let note = "note: viewers show \(Self.turned) turned by 90° clockwise"
        let plain = try run(["--image", Self.turned, "x"])
        #expect(plain.status == 0 && plain.errors.hasPrefix(note) && plain.errors.contains("67 × 45 pixels"))
        #expect(plain.errors.split(separator: "\n").filter { $0.contains("viewers show") }.count == 1)
        let json = try run(["--image", Self.turned, "--json", "x"])
        #expect(json.status == 0 && json.errors.isEmpty && json.output.contains(#""orientation": 6"#), "\(json)")
        // This region is inside the image as a viewer shows it, 45 × 67.
        let region = try run(["--image", Self.turned, "--region", "a=0,0,40,60", "{a}"])
        #expect(region.isOneLineError(64) && region.errors.contains("67 × 45 pixels as stored"))
        #expect(region.errors.contains("a viewer shows it turned by 90° clockwise"))
        #expect(try !run(["--image", Self.photo, "x"]).errors.contains("viewers show"))
    }

    @Test("too many regions give a one-line error, however they are given")
    func manyRegions() throws {
        let regions = String(repeating: "<Region><L0><L0><L900><L900></Region>", count: 600)
        let named = (0..<600).flatMap { ["--region", "r\($0)=0.1,0.2,0.9,0.9"] }
        let names = (0..<600).map { "{r\($0)}" }.joined(separator: " ")
        let kinds = [[regions], [regions, "--overflow", "slide"], ["--raw", "<image>" + regions], named + [names]]
        for arguments in kinds {
            let outcome = try run(["--image", Self.photo] + arguments)
            #expect(outcome.isOneLineError(64) && outcome.output.isEmpty)
            #expect(outcome.errors.contains("600 regions"))
            #expect(outcome.errors.contains("room for only 596"), "\(outcome.errors)")
        }
    }

    @Test("FineEval skips a question with too many regions, and notes EXIF orientations")
    func fineEval() throws {
        let regions = String(repeating: "<Region><L0><L0><L900><L900></Region>", count: 600)
        let questions = [(Self.photo, regions), (Self.turned, "Who?")].map { path, text in
            #"{"image": "\#(URL(fileURLWithPath: path).lastPathComponent)", "instruction": "\#(text)"}"#
        }
        let images = folder.path.appending("images").string
        try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
        for path in [Self.photo, Self.turned] {
            let name = URL(fileURLWithPath: path).lastPathComponent
            try FileManager.default.copyItem(atPath: path, toPath: "\(images)/\(name)")
        }
        let file = try folder.write("q.jsonl", Array(questions.joined(separator: "\n").utf8)).string
        let outcome = try CommandLineRunner.run([
            "evaluate", "fineeval", Models.path("pvit-f32.pvq"), "--questions", file, "--images", images, "--output",
            folder.path.appending("a.jsonl").string, "--max-tokens", "1",
        ])
        #expect(outcome.status == 65 && outcome.errors.contains("question 1: the prompt has 600 regions"))
        #expect(outcome.errors.contains("1 of 2 questions were not answered"))
        #expect(outcome.errors.contains("1 image has an EXIF orientation"), "\(outcome.errors)")
    }
}
