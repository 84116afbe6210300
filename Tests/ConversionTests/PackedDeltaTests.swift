import Checkpoints
import CheckpointTestSupport
import Container
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Conversion

@Suite("Packed deltas")
struct PackedDeltaTests {
    typealias Entry = (name: String, type: ElementType, shape: [Int], bytes: [UInt8])

    private static let norm = "model.norm.weight"

    private func checkpoint(_ tensors: [Entry], files: [String: [UInt8]] = [:]) throws -> Checkpoint {
        try Checkpoint(
            path: "memory/base", format: "memory", weights: ArraySource(tensors), sideFiles: SideFiles(files),
            sourceFiles: [])
    }

    private func floats(_ name: String, _ shape: [Int], _ type: ElementType, seed: UInt64, around: Float = 0) -> Entry {
        var random = RepeatableRandom(seed: seed)
        let values = (0..<shape.reduce(1, *)).map { _ in around + Float.random(in: -0.1...0.1, using: &random) }
        return (name, type, shape, packed(values, type))
    }

    /// The same tensor with every third number moved by a few units in the last place.
    private func moved(_ entry: Entry, seed: UInt64) -> Entry {
        var random = RepeatableRandom(seed: seed)
        var bytes = entry.bytes
        for place in stride(from: 0, to: bytes.count, by: entry.type.byteCount * 3) {
            bytes[place] = bytes[place] &+ UInt8(random.next() % 5)
        }
        return (entry.name, entry.type, entry.shape, bytes)
    }

    /// Packs, merges, and checks every tensor and side file bit for bit.
    @discardableResult
    private func roundTrip(_ base: Checkpoint, _ target: Checkpoint, threads: Int = 2) throws -> [UInt8] {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("delta.pvq")
        _ = try DeltaPacking.write(base: base, target: target, to: path, threadCount: threads)
        let merged = try DeltaMerge.merge(base: base, delta: ModelSource.openDelta(path)).checkpoint
        #expect(Set(merged.weights.tensors) == Set(target.weights.tensors))
        for tensor in target.weights.tensors {
            let isEqual =
                try merged.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
                == target.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            #expect(isEqual, "\(tensor.name)")
        }
        #expect(merged.sideFiles.presentNames == target.sideFiles.presentNames)
        for name in target.sideFiles.presentNames { #expect(merged.sideFiles[name] == target.sideFiles[name]) }
        let file = try MappedFile(path: path)
        return try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
    }

    @Test("tensors of every type and shape come back bit for bit, and so do side files")
    func everyType() throws {
        var random = RepeatableRandom(seed: 5)
        let norm = floats(Self.norm, [64], .f16, seed: 1, around: 1)
        var base = [norm]
        var target = [moved(norm, seed: 2)]
        for type in ElementType.allCases {
            let any = (0..<60 * type.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let other = (0..<60 * type.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for (name, bytes) in [("same", any), ("changed", other)] {
                base.append(("\(name).\(type)", type, [6, 10], any))
                target.append(("\(name).\(type)", type, [6, 10], bytes))
            }
            base.append(("scalar.\(type)", type, [], Array(any.prefix(type.byteCount))))
            target.append(("scalar.\(type)", type, [], Array(other.prefix(type.byteCount))))
            base.append(("empty.\(type)", type, [0, 8], []))
            target.append(("empty.\(type)", type, [0, 8], []))
        }
        try roundTrip(
            checkpoint(base),
            checkpoint(
                target,
                files: [
                    SideFiles.config: Array("{\"a\":  1.50}\n".utf8), SideFiles.generationConfig: Array("{ }".utf8),
                    SideFiles.tokenizerJSON: [1, 2, 3], SideFiles.chatTemplate: Array("{{ x }}".utf8),
                ]))
    }

    @Test("vocabularies that grow or shrink, other shapes, other types, and tensors that only one side has")
    func differentTensors() throws {
        let norm = floats(Self.norm, [64], .f32, seed: 1, around: 1)
        let embedding = floats("model.embed_tokens.weight", [50, 16], .f16, seed: 2)
        let grown = floats("model.embed_tokens.weight", [57, 16], .f16, seed: 3)
        let head = floats("lm_head.weight", [50, 16], .f16, seed: 4)
        let matrix = floats("model.layers.0.mlp.up_proj.weight", [40, 16], .bf16, seed: 5)
        let asHalf = floats("model.layers.0.mlp.up_proj.weight", [40, 16], .f16, seed: 5)
        let reshaped = floats("model.layers.0.mlp.gate_proj.weight", [16, 40], .f16, seed: 6)
        let flat = floats("model.layers.0.mlp.gate_proj.weight", [40, 16], .f16, seed: 6)
        let projector = floats("model.mm_projector.weight", [16, 12], .f16, seed: 7)
        let table = floats("model.rotary_emb.inv_freq", [8], .f32, seed: 8)
        let longer: Entry = (
            embedding.name, .f16, [57, 16], moved(embedding, seed: 9).bytes + grown.bytes.suffix(7 * 32)
        )
        let base = try checkpoint([norm, embedding, head, matrix, reshaped, table])
        let target = try checkpoint([moved(norm, seed: 10), longer, asHalf, flat, projector])
        try roundTrip(base, target)
        try roundTrip(target, base)
        let folder = try TemporaryFolder()
        let report = try DeltaPacking.write(base: base, target: target, to: folder.path.appending("delta.pvq"))
        #expect(report.extended.map(\.baseRows) == [50])
        #expect(report.storedWhole == ["model.layers.0.mlp.gate_proj.weight", "model.mm_projector.weight"])
        #expect(report.dropped == ["lm_head.weight", "model.rotary_emb.inv_freq"])
    }

    @Test("an output layer is stored relative to the embeddings of a tied base, and once if it repeats its own")
    func outputLayer() throws {
        let embedding = floats("model.embed_tokens.weight", [400, 64], .f16, seed: 2)
        let head: Entry = ("lm_head.weight", .f16, [400, 64], embedding.bytes)
        let base = try checkpoint([embedding])
        let target = moved(embedding, seed: 4)
        let alone = try roundTrip(base, checkpoint([target]))
        let repeated = try roundTrip(base, checkpoint([target, ("lm_head.weight", .f16, [400, 64], target.bytes)]))
        let relative = try roundTrip(base, checkpoint([target, head]))
        #expect(repeated.count < alone.count + 1000)
        #expect(relative.count < alone.count + 1000)
    }

    @Test("a fine-tune of a few numbers takes a small part of the target, and the bytes do not depend on threads")
    func sizeAndThreads() throws {
        let base = try checkpoint([floats("model.layers.0.mlp.up_proj.weight", [3000, 512], .bf16, seed: 1)])
        let tensor = try #require(base.weights.tensors.first)
        var bytes = try base.weights.bytes(ofRows: 0..<3000, of: tensor)
        for place in stride(from: 0, to: bytes.count, by: 2000) { bytes[place] ^= 1 }
        let target = try checkpoint([(tensor.name.rawValue, .bf16, [3000, 512], bytes)])
        let files = try [1, 2, 5].map { try roundTrip(base, target, threads: $0) }
        #expect(files[0] == files[1] && files[0] == files[2])
        #expect(files[0].count < bytes.count / 100)
    }

    @Test("rows can be read in any ranges, across tiles")
    func ranges() throws {
        let base = try checkpoint([floats("a.weight", [3000, 512], .f16, seed: 1)])
        let tensor = try #require(base.weights.tensors.first)
        let entry: Entry = (
            "a.weight", .f16, [3000, 512], try base.weights.bytes(ofRows: 0..<3000, of: tensor)
        )
        let target = try checkpoint([moved(entry, seed: 3)])
        let folder = try TemporaryFolder()
        let path = folder.path.appending("delta.pvq")
        _ = try DeltaPacking.write(base: base, target: target, to: path)
        let merged = try DeltaMerge.merge(base: base, delta: ModelSource.openDelta(path)).checkpoint.weights
        for rows in [0..<1, 1000..<1100, 900..<2200, 2999..<3000, 5..<5, 0..<3000] {
            let isEqual =
                try merged.bytes(ofRows: rows, of: tensor) == target.weights.bytes(ofRows: rows, of: tensor)
            #expect(isEqual, "\(rows)")
        }
    }

    @Test("another base is refused before anything is read in full, with the tensor that differs")
    func otherBase() throws {
        let norm = floats(Self.norm, [64], .f16, seed: 1, around: 1)
        let matrix = floats("model.layers.0.mlp.up_proj.weight", [3000, 512], .f16, seed: 2)
        let folder = try TemporaryFolder()
        let path = folder.path.appending("delta.pvq")
        _ = try DeltaPacking.write(
            base: checkpoint([norm, matrix]), target: checkpoint([moved(norm, seed: 3), moved(matrix, seed: 4)]),
            to: path)
        let delta = try ModelSource.openDelta(path)
        func refusal(_ base: [Entry]) throws -> PVITError {
            let base = try checkpoint(base)
            return try #require(throws: PVITError.self) { _ = try DeltaMerge.merge(base: base, delta: delta) }
        }
        let otherNorm = try refusal([moved(norm, seed: 8), matrix])
        #expect(otherNorm.code == .mergeOtherBase && otherNorm.tensor?.rawValue == Self.norm)
        #expect(otherNorm.remedy?.contains("(base)") == true)
        let otherMatrix = try refusal([norm, moved(matrix, seed: 8)])
        #expect(otherMatrix.code == .mergeOtherBase && otherMatrix.tensor?.rawValue == matrix.name)
        #expect(try refusal([norm]).what.contains("absent"))
        #expect(try refusal([norm, (matrix.name, .f16, [512, 3000], matrix.bytes)]).what.contains("[512, 3000]"))
        #expect(try refusal([norm, (matrix.name, .bf16, [3000, 512], matrix.bytes)]).what.contains("bf16"))

        // A difference that no sample sees is found by the tile that has it.
        var bytes = matrix.bytes
        bytes[1001 * 1024] ^= 1
        let hidden = try checkpoint([norm, (matrix.name, .f16, [3000, 512], bytes)])
        let merged = try DeltaMerge.merge(base: hidden, delta: delta).checkpoint.weights
        let tensor = try #require(merged.tensor(named: TensorName(matrix.name)))
        let error = try #require(throws: PVITError.self) { _ = try merged.bytes(ofRows: 0..<3000, of: tensor) }
        #expect(error.code == .otherBase && error.tensor?.rawValue == matrix.name)
    }

    @Test("changes are measured as defined: the norm of the change over that of the base, and equal numbers")
    func measurement() throws {
        let base = try checkpoint([("a.weight", .f32, [4], packed([3, 4, 0, 12], .f32))])
        let target = try checkpoint([("a.weight", .f32, [4], packed([3, 4.5, 1.2, 12], .f32))])
        let folder = try TemporaryFolder()
        let path = folder.path.appending("delta.pvq")
        let report = try DeltaPacking.write(base: base, target: target, to: path)
        let delta = try PackedDelta(Container(opening: path, allowsPackedDelta: true))
        #expect(delta.changes["a.weight"] == report.change)
        // |(0, 0.5, 1.2, 0)| = 1.3 and |(3, 4, 0, 12)| = 13.
        #expect(abs((report.change.relativeNorm ?? 0) - 0.1) < 1e-7)
        #expect(report.change.unchangedShare == 0.5)
    }

    @Test("base and target are cast as numpy casts, before they are compared")
    func casts() throws {
        // The nearest f16 of bf16 numbers, by numpy; the last three are too large, too small and subnormal.
        let (bf16, f16): ([UInt16], [UInt16]) = (
            [0x3F80, 0xC049, 0x3DCC, 0x7F7F, 0x2F80, 0x3880, 0x37C1, 0x3301],
            [0x3C00, 0xC248, 0x2E60, 0x7C00, 0x0000, 0x0400, 0x0182, 0x0001]
        )
        func bytes(_ patterns: [UInt16]) -> [UInt8] { patterns.reduce(into: []) { $0.appendLittleEndian($1) } }
        let base = try ArraySource([("a", .bf16, [8], bytes(bf16))])
        let target = try TensorDescription(name: "a", elementType: .f16, shape: #require(Shape([9])))
        let pair = try #require(BasePair(target: target, base: base.tensors[0]))
        #expect(try pair.baseRows(0..<9, from: base) == bytes(f16) + [0, 0])
        #expect(try pair.baseRows(8..<9, from: base) == [0, 0])
    }

    @Test("malformed metadata of a packed delta is an error that says so")
    func malformedMetadata() throws {
        let good: JSONObject = ["type": "f16", "shape": [600], "sample": "0123456789abcdef"]
        func changed(_ key: String, _ value: JSONValue?) -> JSONValue {
            var object = good
            object[key] = value
            return ["tensors": ["w": .object(object)]]
        }
        let folder = try TemporaryFolder()
        let path = folder.path.appending("delta.pvq")
        func outcome(_ description: JSONValue?, changes: JSONValue? = nil) throws -> PVITError.Code? {
            var writer = try ContainerWriter(path: path, needsBase: true)
            try writer.beginTensor("w", encoding: .plain(.f16), shape: #require(Shape([600])))
            let content = [UInt8](repeating: 1, count: 1200)
            try writer.append(
                TileEncoder.encode(
                    content.span.bytes, base: content.span.bytes, encoding: .plain(.f16), columns: 1),
                content: content.span.bytes)
            try writer.endTensor()
            var metadata = JSONObject()
            metadata["delta.base"] = description
            metadata["delta.changes"] = changes
            _ = try writer.finish(metadata: metadata)
            do {
                _ = try ModelSource.openDelta(path)
                return nil
            } catch let error as PVITError {
                #expect(error.file == path.string)
                return error.code
            }
        }
        #expect(try outcome(["tensors": ["w": .object(good)]]) == nil)
        #expect(try outcome(changed("shape", [700])) == nil)
        let malformed: [JSONValue?] = [
            nil, 1, [], ["tensors": 1], ["tensors": [:]], ["tensors": ["v": .object(good)]], ["tensors": ["w": 1]],
            changed("type", "f17"), changed("type", nil), changed("type", "i16"), changed("shape", [600, 1]),
            changed("shape", [-1]), changed("shape", [0]), changed("shape", ["600"]), changed("shape", nil),
            changed("shape", [.integer(.max), .integer(.max)]), changed("sample", "12"), changed("sample", nil),
            changed("sample", "+123456789abcdef"), changed("name", 5),
        ]
        for description in malformed {
            #expect(try outcome(description) == .metadataContent, "\(String(describing: description))")
        }
        let fine: JSONValue = ["tensors": ["w": .object(good)]]
        #expect(try outcome(fine, changes: ["w": [1, 2, 3, 4]]) == nil)
        for changes: JSONValue in [
            1, ["w": 1], ["w": [1, 2, 3]], ["w": [-1, 2, 3, 4]], ["w": [1, 2, 5, 4]], ["w": [1, 2, -1, 4]],
        ] {
            #expect(try outcome(fine, changes: changes) == .metadataContent)
        }
    }
}
