import Container
import Storage
import SystemPackage
import Tensors
import Testing

@Suite struct WriterTests {
    /// Writes a model with every kind of tensor. Its digest must not depend on `rowsPerTile` and `compression`.
    @discardableResult
    static func writeModel(
        to path: FilePath, rowsPerTile: Int? = nil, compression: Compression = .zstd, tied: Bool = true,
        metadata: JSONObject = ["model.config": ["hidden_size": 64]]
    ) throws -> ModelDigest {
        var writer = try ContainerWriter(path: path)
        let embedding = bytes(bell(300 * 64).map { Float16($0) })
        let shape = try #require(Shape([300, 64]))
        try writer.write(
            "embedding", embedding, encoding: .plain(.f16), shape: shape, compression: compression,
            rowsPerTile: rowsPerTile)
        let statistics = ErrorStatistics(squaredError: 0.25, maximumError: 0.5, squaredSum: 8, count: 100 * 64)
        for encoding in [TensorEncoding.q4, .q8] {
            let size = try #require(encoding.byteCount(rows: 100, columns: 64))
            // One scale for all tiles, so that other tile sizes are possible.
            try writer.write(
                TensorName(encoding.description), noise(size), encoding: encoding, shape: #require(Shape([100, 64])),
                compression: compression, rowsPerTile: rowsPerTile, scale: { _ in 0.5 }, statistics: statistics)
        }
        if tied {
            try writer.addAlias("output", of: "embedding")
        } else {
            try writer.write("output", embedding, encoding: .plain(.f16), shape: shape, compression: compression)
        }
        try writer.addAttachment("tokenizer.model", bytes: Array("a tokenizer ".utf8) + noise(100_000))
        return try writer.finish(metadata: metadata).digest
    }

    @Test("two spellings of a text are two tensors")
    func spellings() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let shape = try #require(Shape([2]))
        var writer = try ContainerWriter(path: path)
        for (name, values) in [("caf\u{E9}", [1, 2]), ("cafe\u{301}", [3, 4])] as [(TensorName, [UInt8])] {
            try writer.write(name, values, encoding: .plain(.u8), shape: shape)
        }
        #expect(
            try code { try writer.write("caf\u{E9}", [1, 2], encoding: .plain(.u8), shape: shape) } == .containerOrder)
        try writer.addAlias("alias", of: "cafe\u{301}")
        _ = try writer.finish(metadata: [:])
        let container = try Container(opening: path)
        _ = try container.verify()
        let composed = try #require(try container.tensor(named: "caf\u{E9}"))
        #expect(try container.content(of: composed) == [1, 2])
        let decomposed = try #require(try container.tensor(named: "cafe\u{301}"))
        #expect(try container.content(of: decomposed) == [3, 4])
        #expect(try container.tensor(named: "alias")?.aliasOf == "cafe\u{301}")
        #expect(try container.tensors().map(\.name) == ["caf\u{E9}", "cafe\u{301}", "alias"])
    }

    @Test("reading returns what was written")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let metadata: JSONObject = ["model.config": ["hidden_size": 64], "x.unknown": [1, .null, "é"]]
        let digest = try Self.writeModel(to: path, rowsPerTile: 48, metadata: metadata)
        let container = try Container(opening: path)
        #expect(try container.verify() == digest)
        #expect(container.modelDigest == digest)
        #expect(try container.metadata == metadata)
        #expect(try container.attachment("tokenizer.model") == Array("a tokenizer ".utf8) + noise(100_000))
        #expect(try container.attachment("embedding") == nil)
        #expect(try container.attachment("none") == nil)
        let tied = try #require(try container.tensor(named: "output"))
        #expect(tied.aliasOf == "embedding")
        #expect(try container.content(of: tied) == bytes(bell(300 * 64).map { Float16($0) }))
        let q4 = try #require(try container.tensor(named: "q4"))
        #expect(q4.statistics?.maximumError == 0.5)
        #expect(q4.tileCount == 3)
        #expect(try container.tile(2, of: q4).rows == 96..<100)
        #expect(try container.tile(2, of: q4).scale == 0.5)
        #expect(try container.tensor(named: "q") == nil)
    }

    @Test("tensors are aligned to 4 KiB and stored tiles to 64 bytes")
    func alignment() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        for compression in [Compression.none, .zstd] {
            try Self.writeModel(to: path, rowsPerTile: 16, compression: compression)
            let container = try Container(opening: path)
            for tensor in try container.tensors() {
                #expect(tensor.storedRange.lowerBound % 4096 == 0)
                for number in 0..<tensor.tileCount {
                    let tile = try container.tile(number, of: tensor)
                    if tile.codec == .stored { #expect(tile.storedRange.lowerBound % 64 == 0) }
                }
            }
        }
    }

    @Test("the same content is written as the same bytes")
    func determinism() throws {
        let folder = try TemporaryFolder()
        let (first, second) = (folder.path.appending("1.pvq"), folder.path.appending("2.pvq"))
        try Self.writeModel(to: first)
        try Self.writeModel(to: second)
        #expect(try sha256(contents(of: first)) == sha256(contents(of: second)))
    }

    @Test("the model digest depends on the weights, not on tiles, compression, metadata or aliases")
    func modelDigest() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let digest = try Self.writeModel(to: path)
        #expect(try Self.writeModel(to: path, rowsPerTile: 16) == digest)
        #expect(try Self.writeModel(to: path, rowsPerTile: 32, compression: .none) == digest)
        #expect(try Self.writeModel(to: path, compression: .zstd(level: 9)) == digest)
        #expect(try Self.writeModel(to: path, tied: false) == digest)
        #expect(try Self.writeModel(to: path, metadata: [:]) == digest)
        #expect(try Container(opening: path).verify() == digest)

        func other(scale: Float, name: TensorName = "w") throws -> ModelDigest {
            var writer = try ContainerWriter(path: path)
            try writer.write(
                name, noise(288), encoding: .q4, shape: #require(Shape([16, 32])), scale: { _ in scale })
            return try writer.finish(metadata: [:]).digest
        }
        #expect(try other(scale: 1) != other(scale: 2))
        #expect(try other(scale: 1) != other(scale: 1, name: "v"))
        #expect(try other(scale: 1) == other(scale: 1))
    }

    @Test("compression is used only where it is worthwhile, and floats are split into planes")
    func codecs() throws {
        func codec(_ bytes: [UInt8], _ type: ElementType) throws -> TileCodec {
            try TileEncoder.encode(bytes.span.bytes, encoding: .plain(type), compression: .zstd).codec
        }
        let weights = bell(100_000)
        #expect(try codec(bytes(weights.map { Float16($0) }), .f16) == .zstdPlanes)
        #expect(try codec(bytes(weights.map { Float($0) }), .f32) == .zstdPlanes)
        #expect(try codec(noise(100_000), .f16) == .stored)
        #expect(try codec(noise(100_000), .u8) == .stored)
        #expect(try codec([UInt8](repeating: 7, count: 1000), .u8) == .zstd)
        #expect(try codec([], .u8) == .stored)
        // 2 % of zeros would save 2 %.
        #expect(try codec(noise(98_000) + [UInt8](repeating: 0, count: 2000), .u8) == .stored)
    }

    @Test("nothing appears under the name before the file is finished, and an earlier file stays")
    func atomicity() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        func abandon() throws {
            var writer = try ContainerWriter(path: path)
            try writer.beginTensor("w", encoding: .plain(.f32), shape: #require(Shape([2])))
        }
        try abandon()
        #expect(try code { _ = try Container(opening: path) } == .fileNotFound)
        try Self.writeModel(to: path)
        let before = try contents(of: path)
        try abandon()
        #expect(try contents(of: path) == before)
    }

    @Test("a writer refuses content that the format cannot represent")
    func refusals() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        let shape = try #require(Shape([2]))
        let four: [UInt8] = [1, 2, 3, 4]
        let tile = try TileEncoder.encode(four.span.bytes, encoding: .plain(.f32), compression: .none)
        func refusal(_ body: (inout ContainerWriter) throws -> Void) throws -> PVITError.Code? {
            var writer = try ContainerWriter(path: path)
            return try code { try body(&writer) }
        }
        let long = TensorName(String(repeating: "n", count: 1025))
        for name in ["", "a\nb", long] as [TensorName] {
            let code = try refusal { try $0.beginTensor(name, encoding: .plain(.f32), shape: shape) }
            #expect(code == .containerName)
        }
        let code1 = try refusal {
            try $0.write("w", four, encoding: .plain(.f32), shape: #require(Shape([1])))
            try $0.beginTensor("w", encoding: .plain(.f32), shape: shape)
        }
        #expect(code1 == .containerOrder)
        let code2 = try refusal { try $0.beginTensor("w", encoding: .q4, shape: #require(Shape([2, 33]))) }
        #expect(code2 == .containerShape)
        let code3 = try refusal { try $0.beginTensor("w", encoding: .plain(.f32), shape: shape, role: .attachment) }
        #expect(code3 == .containerEncoding)
        let code4 = try refusal { try $0.append(tile, content: four.span.bytes) }
        #expect(code4 == .containerRequest)
        let code5 = try refusal {
            try $0.beginTensor("w", encoding: .plain(.f32), shape: shape)
            try $0.append(tile, content: four.span.bytes)
        }
        #expect(code5 == .containerTiles)
        let code6 = try refusal {
            try $0.beginTensor("w", encoding: .plain(.f32), shape: shape)
            try $0.endTensor()
        }
        #expect(code6 == .containerTiles)
        let code7 = try refusal {
            try $0.beginTensor("w", encoding: .plain(.f32), shape: #require(Shape([0])))
            try $0.endTensor(statistics: ErrorStatistics(squaredError: .nan))
        }
        #expect(code7 == .containerStatistics)
        let code8 = try refusal { try $0.addAlias("v", of: "w") }
        #expect(code8 == .tensorNotFound)
        let code9 = try refusal {
            try $0.beginTensor("w", encoding: .plain(.f32), shape: #require(Shape([1, 1 << 40])))
        }
        #expect(code9 == .containerLimit)
        let code10 = try refusal {
            try $0.write("w", noise(288), encoding: .q4, shape: #require(Shape([16, 32])), scale: { _ in .infinity })
        }
        #expect(code10 == .containerTiles)
    }
}
