import CheckpointTestSupport
import Checkpoints
import SystemPackage
import Tensors
import Testing

@testable import Conversion

@Suite("Digests of source files")
struct SourceHasherTests {
    /// A file of `size` bytes with the digest of its bytes taken at once.
    private static func file(
        _ name: String, _ size: Int, role: String?, in folder: borrowing TemporaryFolder
    ) throws -> (file: Checkpoint.SourceFile, digest: String) {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ name.utf8.count) }
        let path = try folder.write(name, bytes)
        return (
            Checkpoint.SourceFile(path: path, byteCount: UInt64(size), role: role),
            SHA256.digest(of: bytes).description
        )
    }

    @Test("files that are read side by side have the digests that they have alone, in the order of the files")
    func digests() throws {
        let folder = try TemporaryFolder()
        let model = try [
            Self.file("a", 3_000_001, role: "base", in: folder), Self.file("bb", 0, role: "base", in: folder),
            Self.file("ccc", 1 << 20, role: "delta", in: folder), Self.file("dddd", 17, role: "base", in: folder),
            Self.file("eeeee", 2_500_000, role: "delta", in: folder),
        ]
        let tower = try [Self.file("ffffff", 70_000, role: nil, in: folder)]
        let hasher = try SourceHasher(parts: [
            SourceHasher.Part(files: model.map(\.file), convertedByteCount: 4_000_000),
            SourceHasher.Part(files: tower.map(\.file), convertedByteCount: 70_000),
        ])
        hasher.advance(toConverted: 2_000_000)
        #expect(try hasher.finish() == (model + tower).map(\.digest))
    }

    @Test("a file that is gone is an error that names it")
    func missing() throws {
        let path = FilePath("/nowhere/weights")
        let hasher = try SourceHasher(parts: [
            SourceHasher.Part(
                files: [Checkpoint.SourceFile(path: path, byteCount: 5)], convertedByteCount: 5)
        ])
        let error = #expect(throws: PVITError.self) { try hasher.finish() }
        #expect(error?.file == path.string)
    }

    @Test("base and delta count together, a tower after them")
    func positions() {
        let files = { (sizes: [UInt64]) in sizes.map { Checkpoint.SourceFile(path: "x", byteCount: $0) } }
        let parts = [
            SourceHasher.Part(files: files([300, 500]), convertedByteCount: 400),
            SourceHasher.Part(files: files([60]), convertedByteCount: 50),
        ]
        let expected: [(UInt64, UInt64)] = [
            (0, 0), (100, 200), (200, 400), (400, 800), (425, 830), (450, 860), (999, 860),
        ]
        for (converted, position) in expected {
            #expect(SourceHasher.position(in: parts, converted: converted) == position)
        }
    }
}
