import ChecksumSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Container

/// A packed delta of random numbers around those of a base, in every type that differences can have.
struct PackedDeltaFile {
    private static let types: [ElementType] = [.f16, .bf16, .f32]
    private static let (rows, columns) = (24, 40)
    private var random: RepeatableRandom

    init(seed: UInt64) { random = RepeatableRandom(seed: seed) }

    /// Numbers with any bits, and others that are a little larger or smaller. One row is the same in both.
    mutating func numbers(of type: ElementType) -> (base: [UInt8], target: [UInt8]) {
        var base: [UInt8] = []
        var target: [UInt8] = []
        for row in 0..<Self.rows {
            for column in 0..<Self.columns {
                // Every 40th number has any bits, NaNs and infinities among them; the others are those of a bell.
                let value = Float(bell(1, seed: random.next())[0])
                var pattern = column == 3 ? random.next() : UInt64(value.bitPattern)
                switch type {
                case .f16: if column != 3 { pattern = UInt64(Float16(value).bitPattern) }
                case .bf16: if column != 3 { pattern >>= 16 }
                default: break
                }
                let step = row == 5 || random.next() % 3 == 0 ? 0 : Int64(random.next() % 30) - 15
                let moved = column == 4 && row != 5 ? random.next() : pattern &+ UInt64(bitPattern: step)
                for byte in 0..<type.byteCount {
                    base.append(UInt8(truncatingIfNeeded: pattern >> (8 * UInt64(byte))))
                    target.append(UInt8(truncatingIfNeeded: moved >> (8 * UInt64(byte))))
                }
            }
        }
        return (base, target)
    }

    /// Writes the packed delta, its base, and another base, of which one number differs.
    ///
    /// - Returns: The contents of the tensors.
    mutating func write(to path: FilePath, base: FilePath, otherBase: FilePath) throws -> [(String, [UInt8])] {
        let shape = try #require(Shape([Self.rows, Self.columns]))
        var writer = try ContainerWriter(path: path, needsBase: true)
        var baseWriter = try ContainerWriter(path: base)
        var otherWriter = try ContainerWriter(path: otherBase)
        var contents: [(String, [UInt8])] = []
        var tensors = JSONObject()
        for type in Self.types {
            let (baseNumbers, target) = numbers(of: type)
            let name = type.rawValue
            try writer.beginTensor(TensorName(name), encoding: .plain(type), shape: shape, rowsPerTile: 10)
            let tileSize = 10 * Self.columns * type.byteCount
            for start in stride(from: 0, to: target.count, by: tileSize) {
                let range = start..<min(start + tileSize, target.count)
                let content = target.span.bytes.extracting(range)
                let encoded = try TileEncoder.encode(
                    content, base: baseNumbers.span.bytes.extracting(range), encoding: .plain(type),
                    columns: Self.columns)
                #expect(encoded.codec == .difference)
                try writer.append(encoded, content: content)
            }
            try writer.endTensor()
            var otherNumbers = baseNumbers
            otherNumbers[otherNumbers.count - 1] ^= 1
            try baseWriter.write(TensorName(name), baseNumbers, encoding: .plain(type), shape: shape)
            try otherWriter.write(TensorName(name), otherNumbers, encoding: .plain(type), shape: shape)
            contents.append((name, target))
            tensors[name] = ["type": .string(name), "shape": [.integer(Self.rows), .integer(Self.columns)]]
        }
        _ = try writer.finish(metadata: ["delta.base": ["tensors": .object(tensors)]])
        _ = try baseWriter.finish(metadata: [:])
        _ = try otherWriter.finish(metadata: [:])
        return contents
    }
}

@Suite("Packed deltas in containers") struct PackedDeltaTests {
    /// The decoded bytes of a tensor of the packed vector. Rows that the base lacks are zeros.
    private func content(
        of tensor: StoredTensor, in container: Container, base: [UInt8]
    ) throws -> [UInt8] {
        var result: [UInt8] = []
        for tile in 0..<tensor.tileCount {
            let size = tensor.layout.byteCount(ofTile: tile)
            let rest = base.dropFirst(result.count).prefix(size)
            result += try container.content(
                ofTile: tile, of: tensor, base: rest + [UInt8](repeating: 0, count: size - rest.count))
        }
        return result
    }

    @Test("a packed delta by another writer decodes to the expected contents")
    func vector() throws {
        let expected = try #require(try readJSON(vectors.appending("good.json"))["packed-delta"])
        let container = try Container(opening: vectors.appending("packed-delta.pvq"), allowsPackedDelta: true)
        let base = try Container(opening: vectors.appending("packed-delta-base.pvq"))
        #expect(container.needsBase && !base.needsBase)
        #expect(try container.verify().description == expected["model_digest"]?.string)
        var codecs: Set<TileCodec> = []
        for member in try #require(expected["tensors"]?.object).members where member.key != "cast" {
            let tensor = try #require(try container.tensor(named: TensorName(member.key)))
            let name: TensorName = member.key == "renamed" ? "bf16" : tensor.name
            let numbers = try base.tensor(named: name).map { try base.content(of: $0) } ?? []
            #expect(
                try sha256(content(of: tensor, in: container, base: numbers)) == member.value["sha256"]?.string,
                "\(member.key)")
            for tile in 0..<tensor.tileCount { codecs.insert(try container.tile(tile, of: tensor).codec) }
        }
        #expect(codecs.isSuperset(of: [.difference, .unchanged, .stored]))
    }

    @Test("a packed delta is refused where a model is needed, with the command that merges it")
    func refused() throws {
        let error = try #require(throws: PVITError.self) {
            _ = try Container(opening: vectors.appending("packed-delta.pvq"))
        }
        #expect(error.code == .packedDelta && "\(error)".contains("pvit merge"))
        let container = try Container(opening: vectors.appending("packed-delta.pvq"), allowsPackedDelta: true)
        let tensor = try #require(try container.tensor(named: "f16"))
        #expect(try code { _ = try container.content(of: tensor) } == .packedDelta)
    }

    @Test("numbers with any bits come back bit for bit", arguments: [1, 2, 3] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let paths = ["a", "b", "c"].map { folder.path.appending($0 + ".pvq") }
        var file = PackedDeltaFile(seed: seed)
        let contents = try file.write(to: paths[0], base: paths[1], otherBase: paths[2])
        let container = try Container(opening: paths[0], allowsPackedDelta: true)
        try container.verify()
        let base = try Container(opening: paths[1])
        let otherBase = try Container(opening: paths[2])
        for (name, target) in contents {
            let tensor = try #require(try container.tensor(named: TensorName(name)))
            let numbers = try base.content(of: #require(try base.tensor(named: tensor.name)))
            let isEqual = try content(of: tensor, in: container, base: numbers) == target
            #expect(isEqual, "\(name)")
            let others = try otherBase.content(of: #require(try otherBase.tensor(named: tensor.name)))
            let code = try code { _ = try content(of: tensor, in: container, base: others) }
            #expect(code == .otherBase, "\(name)")
        }
    }

    @Test("every pair of special numbers comes back bit for bit")
    func specialNumbers() throws {
        let halves: [UInt16] = [
            0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7C01, 0xFE55, 0xFFFF,
        ]
        let singles: [UInt32] = [
            0, 0x8000_0000, 1, 0x8000_0001, 0x7F_FFFF, 0x80_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0x7F80_0000, 0xFF80_0000,
            0x7F80_0001, 0xFFC0_1234, 0xFFFF_FFFF,
        ]
        func check(_ type: ElementType, base: [UInt8], target: [UInt8]) throws {
            let type = try #require(type.differenceType)
            // A long row of unchanged numbers, so that the tile becomes smaller.
            let padding = [UInt8](repeating: 7, count: 4000)
            let (base, target) = (base + padding, target + padding)
            let streams = try #require(
                try DifferenceCoder.encode(target.span.bytes, base: base.span.bytes, type: type, columns: 1))
            var content = [UInt8](repeating: 0, count: target.count)
            var span = content.mutableSpan
            var bytes = span.mutableBytes
            let isWhole = try DifferenceCoder.decode(
                coded: streams.coded.span.bytes, raw: streams.raw.span.bytes, base: base.span.bytes, type: type,
                columns: 1, into: &bytes)
            #expect(isWhole && content == target)
        }
        let pairs = halves.flatMap { first in halves.map { (first, $0) } }
        for type in [ElementType.f16, .bf16] {
            try check(type, base: bytes(pairs.map(\.0)), target: bytes(pairs.map(\.1)))
        }
        let wide = singles.flatMap { first in singles.map { (first, $0) } }
        try check(.f32, base: bytes(wide.map(\.0)), target: bytes(wide.map(\.1)))
    }

    @Test("streams that are cut, lengthened or damaged give an error, and never trap")
    func damagedStreams() throws {
        var file = PackedDeltaFile(seed: 9)
        var random = RepeatableRandom(seed: 4)
        for type in [ElementType.f16, .bf16, .f32] {
            let (base, target) = file.numbers(of: type)
            let kind = try #require(type.differenceType)
            let streams = try #require(
                try DifferenceCoder.encode(target.span.bytes, base: base.span.bytes, type: kind, columns: 40))
            func isDecoded(coded: [UInt8], raw: [UInt8]) throws -> Bool {
                var content = [UInt8](repeating: 0, count: target.count)
                var span = content.mutableSpan
                var bytes = span.mutableBytes
                let isWhole = try DifferenceCoder.decode(
                    coded: coded.span.bytes, raw: raw.span.bytes, base: base.span.bytes, type: kind, columns: 40,
                    into: &bytes)
                return isWhole && content == target
            }
            let (coded, raw) = (streams.coded, streams.raw)
            #expect(try isDecoded(coded: coded, raw: raw))
            #expect(try !isDecoded(coded: coded.dropLast(), raw: raw))
            #expect(try !isDecoded(coded: coded + [0], raw: raw))
            #expect(try !isDecoded(coded: coded, raw: raw.dropLast()))
            #expect(try !isDecoded(coded: coded, raw: raw + [0]))
            #expect(try !isDecoded(coded: [], raw: raw))
            #expect(try !isDecoded(coded: [1] + coded.dropFirst(), raw: raw))
            for _ in 0..<50 {
                var damaged = coded
                let place = Int.random(in: 1..<damaged.count - 4, using: &random)
                damaged[place] ^= UInt8.random(in: 1...255, using: &random)
                #expect(try !isDecoded(coded: damaged, raw: raw))
            }
        }
    }

    @Test("a tile whose coded stream is longer than the tile is malformed")
    func codedSize() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        var data = try contents(of: vectors.appending("packed-delta.pvq"))
        let tensor = try #require(
            try Container(opening: vectors.appending("packed-delta.pvq"), allowsPackedDelta: true).tensor(named: "bf16")
        )
        ContainerChecksums.put(1 << 31, into: &data, at: Int(tensor.storedRange.lowerBound) + 8, width: 4)
        ContainerChecksums.mend(&data, includingFileSize: false)
        try write(data, to: path)
        let container = try Container(opening: path, allowsPackedDelta: true)
        let changed = try #require(try container.tensor(named: "bf16"))
        let base = [UInt8](repeating: 0, count: changed.layout.byteCount(ofTile: 0))
        #expect(try code { _ = try container.content(ofTile: 0, of: changed, base: base) } == .tileContent)
    }
}
