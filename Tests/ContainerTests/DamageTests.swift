import Container
import Storage
import SystemPackage
import Tensors
import Testing
import TestSupport

/// A file whose bytes are changed one at a time.
private struct Victim: ~Copyable {
    let path: FilePath
    let original: [UInt8]
    private let descriptor: FileDescriptor

    init(_ original: [UInt8], at path: FilePath) throws {
        self.path = path
        self.original = original
        try write(original, to: path)
        descriptor = try FileDescriptor.open(path, .readWrite)
    }

    deinit { try? descriptor.close() }

    /// Verifies the file with `byte` at `offset`, then restores the original byte.
    func verify(with byte: UInt8, at offset: Int) throws -> PVITError? {
        _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), [byte])
        defer { _ = try? descriptor.writeAll(toAbsoluteOffset: Int64(offset), [original[offset]]) }
        return try error()
    }

    /// The error of opening and verifying.
    func error() throws -> PVITError? {
        do {
            try Container(opening: path).verify()
            return nil
        } catch let error as PVITError {
            return error
        }
    }

    func truncate(to size: Int) throws { try descriptor.resize(to: Int64(size)) }
}

@Suite(.slow) struct DamageTests {
    @Test(
        "a change of any byte is detected, and the tensor is named if it is in a tile",
        arguments: ["tiny", "empty", "types", "zstd", "quantized"])
    func everyByte(name: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let victim = try Victim(contents(of: vectors.appending(name + ".pvq")), at: path)
        let container = try Container(opening: vectors.appending(name + ".pvq"))
        let tensors = try container.tensors().filter { $0.aliasOf == nil && $0.tileCount > 0 }
        // The padding before a tensor is long and uniform: in large files, some of it is enough.
        let inTensors = tensors.flatMap { Array($0.storedRange) }.map(Int.init)
        let end = Int(tensors.last?.storedRange.upperBound ?? 64)
        let padding = stride(from: 64, to: end, by: name == "tiny" ? 1 : 37)
        let offsets = Set(0..<64).union(inTensors).union(padding).union(end..<victim.original.count)
        for offset in offsets.sorted() {
            let error = try victim.verify(with: victim.original[offset] ^ 1 << UInt8(offset % 8), at: offset)
            guard error?.code.category == .badData else {
                Issue.record("a change of byte \(offset) was not caught")
                continue
            }
            if let tensor = tensors.first(where: { $0.storedRange.contains(UInt64(offset)) }) {
                let isNamed = error?.tensor == tensor.name && error?.bytes?.contains(UInt64(offset)) == true
                if !isNamed {
                    Issue.record("byte \(offset) is not in what the error names: \(String(describing: error))")
                }
            }
        }
        #expect(try victim.error() == nil)
    }

    @Test("a flipped bit in a larger file is detected")
    func randomBits() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        try WriterTests.writeModel(to: path, rowsPerTile: 32)
        let victim = try Victim(contents(of: path), at: path)
        var generator = RepeatableRandom(seed: 1)
        for _ in 0..<300 {
            let offset = Int.random(in: 0..<victim.original.count, using: &generator)
            let flip = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            let error = try victim.verify(with: victim.original[offset] ^ flip, at: offset)
            #expect(error?.code.category == .badData, "byte \(offset)")
        }
    }

    @Test("a file truncated to any length is an error", arguments: ["tiny", "empty", "types", "zstd"])
    func everyCut(name: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let victim = try Victim(contents(of: vectors.appending(name + ".pvq")), at: path)
        let step = victim.original.count > 10_000 ? 17 : 1
        for size in stride(from: victim.original.count - 1, through: 0, by: -step) {
            try victim.truncate(to: size)
            let expected: PVITError.Code = size < 8 ? .notAContainer : .containerEnd
            let code = try victim.error()?.code
            if code != expected { Issue.record("a file of \(size) bytes gives \(String(describing: code))") }
        }
    }

    @Test("a file with bytes after its end is an error")
    func followed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let original = try contents(of: vectors.appending("tiny.pvq"))
        for tail in [[0], [10], [UInt8](repeating: 0, count: 64), original, Array(original.suffix(128))] {
            try write(original + tail, to: path)
            let code = try code { _ = try Container(opening: path) }
            #expect([.containerEnd, .containerSize].contains(code), "\(tail.count) bytes")
        }
    }
}
