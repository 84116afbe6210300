import Container
import Storage
import SystemPackage
import Tensors
import Testing

/// The files in `formats/vectors`, which `tools/make_pvq_vectors.py` wrote from the specification.
@Suite struct VectorTests {
    static let good = ["tiny", "empty", "types", "zstd", "quantized", "ignorable-feature", "packed-delta-base"]
    /// Packed deltas, which `PackedDeltaTests` read.
    static let packed = ["packed-delta"]

    @Test("a good file verifies, and every tensor has the expected content", arguments: good)
    func goodFile(name: String) throws {
        let expected = try #require(try readJSON(vectors.appending("good.json"))[name])
        let container = try Container(opening: vectors.appending(name + ".pvq"))
        #expect(try container.verify().description == expected["model_digest"]?.string)
        let tensors = try #require(expected["tensors"]?.object)
        for member in tensors.members {
            let tensor = try #require(try container.tensor(named: TensorName(member.key)))
            #expect(try sha256(container.content(of: tensor)) == member.value["sha256"]?.string)
        }
        #expect(try container.tensors().count { $0.aliasOf == nil } == tensors.members.count)
    }

    @Test("the list of good files is complete")
    func goodFilesAreListed() throws {
        #expect(
            Set(try readJSON(vectors.appending("good.json")).members.map(\.key)) == Set(Self.good + Self.packed))
    }

    @Test("a bad file gives the expected error")
    func badFiles() throws {
        let listing = try readJSON(vectors.appending("bad").appending("index.json"))
        #expect(listing.members.count > 100)
        for member in listing.members {
            let path = vectors.appending("bad").appending(member.key + ".pvq")
            let code = try code { try Container(opening: path, allowsPackedDelta: true).verify() }
            #expect(code?.name == member.value["code"]?.string, "\(member.key)")
            #expect(code?.category == .badData, "\(member.key)")
        }
    }

    @Test("every error code of the format has a bad file")
    func codesAreCovered() throws {
        let listing = try readJSON(vectors.appending("bad").appending("index.json"))
        let seen = Set(listing.members.compactMap { $0.value["code"]?.string })
        let codes: [PVITError.Code] = [
            .notAContainer, .containerHeader, .containerEnd, .containerFooter, .containerSize, .containerVersion,
            .containerFeatures, .containerIndex, .containerLimit, .containerPadding, .containerName, .containerOrder,
            .containerEncoding, .containerShape, .containerStatistics, .containerTiles, .containerLayout,
            .containerAlias, .tileChecksum, .tileContent, .contentDigest, .modelDigest, .metadataChecksum,
            .metadataContent,
        ]
        #expect(seen == Set(codes.map(\.name)))
    }

    @Test("the writer reproduces files without compressed tiles byte for byte")
    func writerAgrees() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("out.pvq")
        var writer = try ContainerWriter(path: path)
        let weight = bytes([1, 2, 3, 4, 5, 6] as [Float])
        try writer.write("weight", weight, encoding: .plain(.f32), shape: #require(Shape([2, 3])))
        _ = try writer.finish(metadata: ["model.config": ["hidden_size": 3]])
        #expect(try sha256(contents(of: path)) == sha256(contents(of: vectors.appending("tiny.pvq"))))

        writer = try ContainerWriter(path: path)
        _ = try writer.finish(metadata: [:])
        #expect(try sha256(contents(of: path)) == sha256(contents(of: vectors.appending("empty.pvq"))))

        writer = try ContainerWriter(path: path)
        let tensors: [(TensorName, ElementType, [Int], [UInt8], Int?)] = [
            ("a.f32", .f32, [5, 3], bytes(bell(15).map { Float($0) }), 2),
            ("b.f16", .f16, [4, 2, 2], bytes(bell(16).map { Float16($0) }), nil),
            ("c.bf16", .bf16, [3, 2], noise(12), nil),
            ("d.f64", .f64, [3], bytes([1, -2, 1e300] as [Double]), 1),
            ("e.i64", .i64, [2, 2], bytes([-1, 2, 1 << 40, .min] as [Int64]), nil),
            ("f.i32", .i32, [2], bytes([-5, 7] as [Int32]), nil),
            ("g.i16", .i16, [3], bytes([-5, 7, 300] as [Int16]), nil),
            ("h.i8", .i8, [3], bytes([-5, 7, 100] as [Int8]), nil),
            ("i.u8", .u8, [2, 3], Array(250...255), nil),
            ("j.bool", .bool, [4], [1, 0, 0, 1], nil),
            ("scalar", .f32, [], bytes([2.5] as [Float]), nil),
            ("nothing", .f16, [0, 8], [], nil),
        ]
        for (name, type, dimensions, content, rowsPerTile) in tensors {
            try writer.write(
                name, content, encoding: .plain(type), shape: #require(Shape(dimensions)), rowsPerTile: rowsPerTile)
        }
        try writer.addAttachment("tokenizer.model", bytes: noise(300), compression: .none)
        try writer.addAlias("tied", of: "a.f32")
        try writer.addAlias("Z", of: "b.f16")
        try writer.addAlias("é", of: "tied")
        try writer.addAlias("a", of: "scalar")
        _ = try writer.finish(metadata: ["model.config": ["hidden_size": 3]])
        #expect(try sha256(contents(of: path)) == sha256(contents(of: vectors.appending("types.pvq"))))
    }
}
