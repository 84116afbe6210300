import Container
import Dispatch
import Storage
import Platform
import SystemPackage
import Tensors
import Testing

@Suite struct ReaderTests {
    @Test("a stored tile comes straight from the mapping, a compressed one from the scratch")
    func zeroCopy() throws {
        let container = try Container(opening: vectors.appending("zstd.pvq"))
        let tensor = try #require(try container.tensor(named: "f16"))
        func address(_ tile: Int, _ scratch: TileScratch) throws -> UInt {
            try container.withTile(tile, of: tensor, scratch: scratch) { content, _ in
                content.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
            }
        }
        let (first, second) = (TileScratch(), TileScratch())
        #expect(try container.tile(1, of: tensor).codec == .stored)
        #expect(try address(1, first) == address(1, second))
        #expect(try container.tile(0, of: tensor).codec == .zstdPlanes)
        #expect(try address(0, first) == address(2, first))
        #expect(try address(0, first) != address(0, second))
        #expect(try address(0, first) % 64 == 0)
    }

    @Test("a scratch cannot be used for two tiles at once")
    func scratchIsExclusive() throws {
        let container = try Container(opening: vectors.appending("zstd.pvq"))
        let tensor = try #require(try container.tensor(named: "bf16"))
        let scratch = TileScratch()
        let code = try code {
            try container.withTile(0, of: tensor, scratch: scratch) { _, _ in
                try container.withTile(1, of: tensor, scratch: scratch) { _, _ in }
            }
        }
        #expect(code == .internalDefect)
        try container.withTile(1, of: tensor, scratch: scratch) { content, tile in
            #expect(content.byteCount == tile.decodedByteCount)
        }
    }

    @Test("many threads can read one container")
    func threads() async throws {
        let container = try Container(opening: vectors.appending("zstd.pvq"))
        let expected = try container.tensors().map { try container.content(of: $0) }
        let fresh = try Container(opening: vectors.appending("zstd.pvq"))
        try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    _ = try fresh.metadata
                    return try fresh.tensors().map { try fresh.content(of: $0) }
                }
            }
            for try await contents in group { #expect(contents == expected) }
        }
    }

    @Test("a damaged tile is detected on first use, and its error names tensor and bytes")
    func damagedTile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        var data = try contents(of: vectors.appending("types.pvq"))
        let original = try Container(opening: vectors.appending("types.pvq"))
        let tensor = try #require(try original.tensor(named: "a.f32"))
        let tile = try original.tile(1, of: tensor)
        data[Int(tile.storedRange.lowerBound)] ^= 0x10
        try write(data, to: path)
        let container = try Container(opening: path)
        let scratch = TileScratch()
        try container.withTile(0, of: tensor, scratch: scratch) { _, _ in }
        for isShared in [true, false, true] {
            do {
                if isShared {
                    try container.withSharedTile(tile, of: tensor, scratch: scratch) { _ in }
                } else {
                    try container.withTile(tile, of: tensor, scratch: scratch) { _ in }
                }
                Issue.record("the damage was not noticed")
            } catch let error as PVITError {
                #expect(error.code == .tileChecksum)
                #expect(error.tensor == "a.f32")
                #expect(error.bytes == tile.storedRange)
                #expect(error.file == path.string)
            }
        }
        // At least one of the threads that share the tile gets the error.
        let outcomes = Lock<[Bool]>([])
        DispatchQueue.concurrentPerform(iterations: 16) { _ in
            let isSound = (try? container.withSharedTile(tile, of: tensor, scratch: TileScratch()) { _ in }) != nil
            outcomes.withLock { $0.append(isSound) }
        }
        #expect(outcomes.withLock { $0.contains(false) })
        // All of them can use undamaged tiles.
        let sound = try original.tile(1, of: tensor)
        DispatchQueue.concurrentPerform(iterations: 16) { _ in
            #expect(throws: Never.self) {
                try original.withSharedTile(sound, of: tensor, scratch: TileScratch()) { content in
                    #expect(content.byteCount == sound.decodedByteCount)
                }
            }
        }
    }

    @Test("an error in compressed content names tensor and bytes")
    func badContent() throws {
        let path = vectors.appending("bad").appending("frame-garbage.pvq")
        let container = try Container(opening: path)
        let tensor = try container.tensor(at: 0)
        do {
            try container.withTile(0, of: tensor, scratch: TileScratch()) { _, _ in }
            Issue.record("the damage was not noticed")
        } catch let error as PVITError {
            #expect(error.code == .tileContent)
            #expect(error.tensor == "w")
            #expect(error.bytes == 4096..<4116)
        }
    }

    @Test("tensors and tiles past the end are errors")
    func requests() throws {
        let container = try Container(opening: vectors.appending("types.pvq"))
        let tensor = try container.tensor(at: 0)
        for number in [-1, 3, .max] {
            #expect(try code { _ = try container.tile(number, of: tensor) } == .containerTiles)
        }
        for number in [-1, container.tensorCount, .max] {
            #expect(try code { _ = try container.tensor(at: number) } == .containerIndex)
        }
        let code = try code { _ = try Container(opening: vectors.appending("none.pvq")) }
        #expect(code == .fileNotFound)
        container.advise(.willNeed, 0..<UInt64.max)
    }

    @Test("every name is found, wherever it is in the order")
    func names() throws {
        let container = try Container(opening: vectors.appending("types.pvq"))
        for tensor in try container.tensors() {
            #expect(try container.tensor(named: tensor.name) == tensor)
        }
        for name in ["", "a.f3", "a.f32x", "zz", "È"] as [TensorName] {
            #expect(try container.tensor(named: name) == nil)
        }
    }
}
