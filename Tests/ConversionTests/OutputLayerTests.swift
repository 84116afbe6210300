import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Output layers that are, or are said to be, the embeddings")
struct OutputLayerTests {
    private static let embedding = "model.embed_tokens.weight"
    private static let output = "lm_head.weight"

    /// What a checkpoint stores beside or in place of its embeddings.
    enum Storage: CaseIterable {
        case embeddingsAlone, equalCopy, otherHead, headAlone
    }

    /// A model of a few weights.
    private func model(_ storage: Storage, isTied: Bool = true, seed: UInt64 = 1) throws -> Checkpoint {
        var model = TinyModel()
        model.isTied = true
        model.seed = seed
        let source = try model.source()
        var entries = try source.tensors.map { tensor in
            (
                name: tensor.name.rawValue, type: tensor.elementType, shape: tensor.shape.dimensions,
                bytes: try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            )
        }
        let place = try #require(entries.firstIndex { $0.name == Self.embedding })
        var head = entries[place]
        head.name = Self.output
        switch storage {
        case .embeddingsAlone: break
        case .equalCopy: entries.append(head)
        case .otherHead:
            // One bit in the last row.
            head.bytes[head.bytes.count - 2] ^= 1
            entries.append(head)
        case .headAlone: entries[place] = head
        }
        var config = model.configuration
        config["tie_word_embeddings"] = .bool(isTied)
        return try model.checkpoint().with(weights: ArraySource(entries), config: config)
    }

    private func bytes(_ name: String, of checkpoint: Checkpoint) throws -> [UInt8] {
        let tensor = try #require(checkpoint.weights.tensor(named: TensorName(name)))
        return try checkpoint.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
    }

    private func quantized(_ checkpoint: Checkpoint, in folder: TemporaryFolder) throws -> FilePath {
        let path = folder.path.appending("model.pvq")
        _ = try Quantize.write(checkpoint, to: path, options: QuantizeOptions(type: .plain(.f16)))
        return path
    }

    @Test("a head that differs from the embeddings is stored and used, whatever tie_word_embeddings says")
    func otherHead() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try model(.otherHead)
        let container = try Container(opening: quantized(checkpoint, in: folder))
        #expect(try container.tensor(named: "lm_head.weight")?.aliasOf == nil)
        #expect(try container.metadata["model.config"]?["tie_word_embeddings"] == false)
        // Back as a checkpoint, and on to GGUF.
        let opened = try ModelSource.open(container.path).resolvingOutputLayer()
        #expect(try bytes(Self.output, of: opened) == bytes(Self.output, of: checkpoint))
        #expect(try CheckpointDiagnosis.findings(on: checkpoint).contains { $0.contains("lm_head.weight differs") })
        let report = try Quantize.write(
            checkpoint, to: folder.path.appending("same.pvq"), options: QuantizeOptions(type: .plain(.f16)))
        let untied = try Quantize.write(
            model(.otherHead, isTied: false), to: folder.path.appending("untied.pvq"),
            options: QuantizeOptions(type: .plain(.f16)))
        #expect(report.digest == untied.digest)
    }

    @Test(
        "an equal copy, and a head alone, give the same container as the embeddings alone",
        arguments: [Storage.equalCopy, .headAlone])
    func sameContainer(storage: Storage) throws {
        let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
        let expected = try contents(of: quantized(model(.embeddingsAlone), in: folder))
        #expect(try contents(of: quantized(model(storage), in: other)) == expected)
        #expect(try CheckpointDiagnosis.findings(on: model(storage)).isEmpty)
    }

    @Test("a container's second name of the embeddings is not a tensor of the checkpoint that it is opened as")
    func aliasIsNoTensor() throws {
        let folder = try TemporaryFolder()
        let opened = try ModelSource.open(quantized(model(.embeddingsAlone), in: folder))
        #expect(opened.weights.tensor(named: "lm_head.weight") == nil)
        #expect(opened.config?["tie_word_embeddings"] == true)
    }

    @Test("resolving twice changes nothing")
    func idempotent() throws {
        for storage in Storage.allCases {
            let once = try model(storage).resolvingOutputLayer()
            let twice = try once.resolvingOutputLayer()
            #expect(once.weights.tensors == twice.weights.tensors && once.config == twice.config)
            #expect(once.config?["tie_word_embeddings"] == .bool(storage != .otherHead))
        }
    }

    @Test("a delta and its sum have the target's output layer, however base and target store theirs")
    func deltas() throws {
        for baseStorage in Storage.allCases {
            for targetStorage in Storage.allCases {
                let base = try model(baseStorage)
                let target = try model(targetStorage, seed: 2)
                let delta = try DeltaMerge.difference(base: base, target: target)
                let sum = try DeltaMerge.merge(base: base, delta: delta.checkpoint).checkpoint
                let isSeparate = targetStorage == .otherHead
                #expect(sum.config?["tie_word_embeddings"] == .bool(!isSeparate))
                #expect((sum.weights.tensor(named: "lm_head.weight") != nil) == isSeparate)
                #expect((delta.replacedByTying == "lm_head.weight") == (baseStorage == .otherHead && !isSeparate))
                let stored = targetStorage == .headAlone ? Self.output : Self.embedding
                let pairs = [(Self.embedding, stored)] + (isSeparate ? [(Self.output, Self.output)] : [])
                for (name, original) in pairs {
                    let got = unpacked(try bytes(name, of: sum), .f16)
                    let wanted = unpacked(try bytes(original, of: target), .f16)
                    #expect(
                        zip(got, wanted).allSatisfy { ($0 - $1).magnitude < 1e-4 }, "\(baseStorage) \(targetStorage)")
                }
            }
        }
    }

    @Test("a delta without configuration is what its base's says")
    func deltaWithoutConfiguration() throws {
        let base = try model(.embeddingsAlone)
        let delta = try DeltaMerge.difference(base: base, target: model(.otherHead, seed: 2)).checkpoint
        let bare = try Checkpoint(
            path: "delta", format: "memory", weights: delta.weights, sideFiles: SideFiles(), sourceFiles: [])
        let sum = try DeltaMerge.merge(base: base, delta: bare).checkpoint
        #expect(sum.weights.tensor(named: "lm_head.weight") != nil)
        #expect(sum.config?["tie_word_embeddings"] == false)
        // An untied base needs a head in the delta, if nothing says that the sum is tied.
        let untied = try model(.otherHead, isTied: false)
        let tied = try DeltaMerge.difference(base: untied, target: model(.embeddingsAlone, seed: 2)).checkpoint
        let headless = try Checkpoint(
            path: "delta", format: "memory", weights: tied.weights, sideFiles: SideFiles(), sourceFiles: [])
        let error = try #require(throws: PVITError.self) { try DeltaMerge.merge(base: untied, delta: headless) }
        #expect(error.code == .mergeMissing && error.tensor == "lm_head.weight")
    }
}
