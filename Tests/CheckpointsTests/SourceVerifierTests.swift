import CheckpointTestSupport
import Storage
import SystemPackage
import Testing

@testable import Checkpoints

@Suite("Digests and checksums of source files")
struct SourceVerifierTests {
    /// A file of `size` bytes with the digest of its bytes taken at once.
    private static func file(
        _ name: String, _ size: Int, role: String?, in folder: borrowing TemporaryFolder
    ) throws -> (file: Checkpoint.SourceFile, digest: Digest) {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ name.utf8.count) }
        let path = try folder.write(name, bytes)
        return (
            Checkpoint.SourceFile(path: path, byteCount: UInt64(size), role: role),
            SHA256.digest(of: bytes)
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
        let (_, digests) = try SourceVerifier.hashing([
            SourceVerifier.FileGroup(files: model.map(\.file), convertedByteCount: 4_000_000),
            SourceVerifier.FileGroup(files: tower.map(\.file), convertedByteCount: 70_000),
        ]) { advance in try advance(2_000_000) }
        #expect(digests == (model + tower).map(\.digest))
    }

    @Test("a missing file is an error that names it")
    func missing() throws {
        let path = FilePath("/nowhere/weights")
        let files = SourceVerifier.FileGroup(
            files: [Checkpoint.SourceFile(path: path, byteCount: 5)], convertedByteCount: 5)
        let error = #expect(throws: PVITError.self) { try SourceVerifier.hashing([files]) { _ in } }
        #expect(error?.file == path.string)
    }

    @Test("a damaged archive ends the conversion as soon as it is found")
    func early() throws {
        let folder = try TemporaryFolder()
        var bytes = try contents(of: torchFixture("zip_torch2.bin"))
        let original = try TorchFile(path: torchFixture("zip_torch2.bin"))
        let range = try #require(original.checksums.last { $0.bytes.count > 8 })
        bytes[range.bytes.lowerBound + range.bytes.count / 2] ^= 4
        let file = try TorchFile(path: folder.write("damaged.bin", bytes))
        let error = #expect(throws: PVITError.self) {
            try SourceVerifier.checking([Checkpoint.SourceFile(file)], byteCount: 1) { advance in
                // Without the error this would go on for ever.
                while true { try advance(0) }
            }
        }
        #expect(error?.code == .torchChecksum)
        #expect(error?.bytes == UInt64(range.bytes.lowerBound)..<UInt64(range.bytes.upperBound))
    }

    @Test("the checksums of an archive are found in chunks of any size, also of members that end where others begin")
    func chunks() throws {
        let bytes = Array("123456789".utf8)
        // The check value of CRC-32 (ISO-HDLC), and 0 for no bytes.
        let ranges: [(range: Range<Int>, checksum: UInt32)] = [
            (3..<12, 0xCBF4_3926), (12..<12, 0), (12..<21, 0xCBF4_3926), (30..<39, 0xCBF4_3926),
        ]
        var file = [UInt8](repeating: 7, count: 50)
        for (range, _) in ranges where !range.isEmpty { file.replaceSubrange(range, with: bytes) }
        for size in [1, 2, 5, 9, 12, 50] {
            var checksums = RangeChecksums(
                ranges.map { ChecksummedRange(name: "x", tensor: nil, bytes: $0.range, checksum: $0.checksum) })
            for start in stride(from: 0, to: file.count, by: size) {
                try checksums.update(Array(file[start..<min(start + size, file.count)]).span.bytes)
            }
            try checksums.finish()
        }
        var truncated = RangeChecksums(
            ranges.map { ChecksummedRange(name: "x", tensor: nil, bytes: $0.range, checksum: $0.checksum) })
        try truncated.update(Array(file[..<35]).span.bytes)
        let error = #expect(throws: PVITError.self) { try truncated.finish() }
        #expect(error?.code == .torchChecksum)
    }

    @Test("base and delta count together, a tower after them")
    func positions() {
        let files = { (sizes: [UInt64]) in sizes.map { Checkpoint.SourceFile(path: "x", byteCount: $0) } }
        let groups = [
            SourceVerifier.FileGroup(files: files([300, 500]), convertedByteCount: 400),
            SourceVerifier.FileGroup(files: files([60]), convertedByteCount: 50),
        ]
        let expected: [(UInt64, UInt64)] = [
            (0, 0), (100, 200), (200, 400), (400, 800), (425, 830), (450, 860), (999, 860),
        ]
        for (converted, position) in expected {
            #expect(SourceVerifier.position(in: groups, converted: converted) == position)
        }
    }
}
