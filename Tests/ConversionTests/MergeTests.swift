import CheckpointTestSupport
import Checkpoints
import Conversion
import SystemPackage
import Tensors
import Testing

@Suite("Merging")
struct MergeTests {
    typealias Entry = (name: String, type: ElementType, shape: [Int], bytes: [UInt8])

    private func checkpoint(_ tensors: [Entry], config: JSONObject = [:]) throws -> Checkpoint {
        try Checkpoint(
            path: "memory", format: "memory", weights: ArraySource(tensors),
            sideFiles: SideFiles([SideFiles.config: JSONValue.object(config).encoded()]), sourceFiles: [])
    }

    private func tensor(_ name: String, _ shape: [Int], _ values: [Float], _ type: ElementType = .f16) -> Entry {
        (name, type, shape, values.flatMap { packed($0, type) })
    }

    private func values(_ name: TensorName, in checkpoint: Checkpoint) throws -> [Float] {
        let tensor = try #require(checkpoint.weights.tensor(named: name))
        return unpacked(
            try checkpoint.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor), tensor.elementType)
    }

    private func mergeError(_ base: [Entry], _ delta: [Entry], config: JSONObject = [:]) throws -> PVITError {
        let base = try checkpoint(base)
        let delta = try checkpoint(delta, config: config)
        return try #require(throws: PVITError.self) {
            let merged = try DeltaMerge.merge(base: base, delta: delta).checkpoint
            for tensor in merged.weights.tensors {
                _ = try merged.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            }
        }
    }

    @Test(
        "sums and differences of float16 numbers have the bits that numpy gives, for numbers of every size",
        .enabled(if: Python.isPresent, "PVIT_TEST_PYTHON is not set"))
    func halfPrecision() throws {
        let folder = try TemporaryFolder()
        _ = try Python.run(
            """
            import sys, numpy as np
            from safetensors.numpy import save_file
            r = np.random.default_rng(11)
            bits = r.integers(0, 1 << 16, (2, 300, 257)).astype(np.uint16)
            bits[:, :, ::7] &= 0x83FF                        # subnormal numbers
            a, b = bits.view(np.float16)
            a = np.where(np.isfinite(a), a, np.float16(0)); b = np.where(np.isfinite(b), b, np.float16(0))
            with np.errstate(over="ignore"):
                b = np.where(np.isfinite(a + b) & np.isfinite(b - a), b, np.float16(1))
            for n, t in dict(base=a, delta=b, sum=b + a, difference=b - a).items():
                save_file({"t": t}, f"{sys.argv[1]}/{n}.safetensors")
            """, folder.path.string)
        func open(_ name: String) throws -> Checkpoint {
            try CheckpointSource.open(folder.path.appending("\(name).safetensors"))
        }
        let base = try open("base")
        let results = [
            ("sum", try DeltaMerge.merge(base: base, delta: open("delta")).checkpoint),
            ("difference", try DeltaMerge.difference(base: base, target: open("delta")).checkpoint),
        ]
        for (name, result) in results {
            let tensor = result.weights.tensors[0]
            let expected = try open(name)
            #expect(
                try result.weights.bytes(ofRows: 0..<300, of: tensor)
                    == expected.weights.bytes(ofRows: 0..<300, of: tensor), "\(name)")
        }
    }

    /// Bases and deltas whose sums need rounding, at ties, among subnormal numbers and near zero.
    private static let addends: [(base: Float, delta: Float)] = [
        (1, 0x1p-11), (1, 0x3p-11), (0.1, 0.2), (1 / 3, 2 / 3), (6.0e-8, 6.0e-8), (2.9e-8, 0), (3.0e-8, 0),
        (0x1p-25, 0x1p-24), (0x3p-26, 0x1p-24), (5.9604645e-08, -2.9802322e-08), (1000.3, 0.126), (2049, 1),
        (2051, -0.5), (-40000.1, -25000.2), (0x1p-14, -5.960464e-08), (1e-5, -1.00136e-5), (-0.0, 0),
        (123.4567, -123.4),
    ]

    // Of PyTorch 1.13: both sides .half(), then `delta += base`.
    @Test(
        "whatever the types of base and delta, both are cast to float16, added, and rounded to it, as PyTorch does",
        arguments: [
            (
                ElementType.f32, ElementType.f16,
                [
                    0x3C00, 0x3C02, 0x34CC, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBF0, 0x3FF,
                    0x0, 0x0, 0x2C00,
                ] as [UInt16]
            ),
            (
                .f32, .f32,
                [
                    0x3C00, 0x3C02, 0x34CC, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBF0, 0x3FF,
                    0x0, 0x0, 0x2C00,
                ]
            ),
            (
                .f32, .bf16,
                [
                    0x3C00, 0x3C02, 0x34CE, 0x3C01, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBEE, 0x3FF,
                    0x0, 0x0, 0xAC00,
                ]
            ),
            (
                .bf16, .f16,
                [
                    0x3C00, 0x3C02, 0x34CD, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D0, 0x6800, 0x6800, 0xFBEE, 0x3FF,
                    0x0, 0x0, 0x3000,
                ]
            ),
            (
                .bf16, .bf16,
                [
                    0x3C00, 0x3C02, 0x34CE, 0x3C02, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D0, 0x6800, 0x6800, 0xFBEC, 0x3FF,
                    0x0, 0x0, 0x0,
                ]
            ),
        ])
    func otherTypes(baseType: ElementType, deltaType: ElementType, sums: [UInt16]) throws {
        let (bases, deltas) = (Self.addends.map(\.base), Self.addends.map(\.delta))
        // The last row is one that only the delta has.
        let name = "model.embed_tokens.weight"
        let result = try DeltaMerge.merge(
            base: checkpoint([tensor(name, [bases.count, 1], bases, baseType)]),
            delta: checkpoint(
                [
                    tensor(name, [deltas.count + 1, 1], deltas + [0.1], deltaType),
                    tensor("model.mm_projector.weight", [1], [0.1], deltaType),
                ], config: ["torch_dtype": "float32", "dtype": "bfloat16", "vocab_size": 3]))
        let weights = result.checkpoint.weights
        #expect(weights.tensors.map(\.elementType) == [.f16, .f16])
        let passed: UInt16 = deltaType == .bf16 ? 0x2E68 : 0x2E66
        let expected = [sums + [passed], [passed]]
        for (tensor, bits) in zip(weights.tensors, expected) {
            var bytes: [UInt8] = []
            for number in bits { bytes.appendLittleEndian(number) }
            #expect(try weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor) == bytes, "\(tensor.name)")
        }
        #expect(result.cast.base == (baseType == .f16 ? [] : [TensorName(name)]))
        #expect(result.cast.other.count == (deltaType == .f16 ? 0 : 2))
        let config = try #require(result.checkpoint.config)
        #expect(config["torch_dtype"] == "float16" && config["dtype"] == "float16")
        #expect(config["vocab_size"] == 19 && result.outdatedVocabularySize == 3)
    }

    @Test("a number that float16 cannot hold is an error that names the side, the tensor and the number")
    func overflow() throws {
        let base = try mergeError([tensor("a", [2], [1, 65520], .f32)], [tensor("a", [2], [1, 0])])
        #expect(base.code == .mergeOverflow && base.tensor == "a")
        #expect(base.what.contains("in the base, the number 65520.0"))
        let delta = try mergeError([tensor("a", [1], [1])], [tensor("a", [1], [-1e30], .bf16)])
        #expect(delta.code == .mergeOverflow && delta.what.contains("in the delta"))
        let passed = try mergeError([], [tensor("model.bbox_fc.bias", [1], [1e6], .f32)])
        #expect(passed.code == .mergeOverflow)
        // 65519 rounds to the largest number there is.
        let largest = try DeltaMerge.merge(
            base: checkpoint([tensor("a", [1], [65519], .f32)]), delta: checkpoint([tensor("a", [1], [0])]))
        #expect(try values("a", in: largest.checkpoint) == [65504])
    }

    @Test("a difference is taken in float16, too, whatever the types, and the bases of all precisions are one base")
    func differenceInHalfPrecision() throws {
        let norm = "model.norm.weight"
        let base: [Float] = [1.0002, 0.5, 0.25]
        let target = try checkpoint([tensor(norm, [3], [1.1, 0.3, 0.2], .bf16)], config: ["dtype": "bfloat16"])
        let difference = try DeltaMerge.difference(base: checkpoint([tensor(norm, [3], base, .f32)]), target: target)
        // PyTorch 1.13: target.half() - base.half().
        #expect(difference.checkpoint.weights.tensors[0].elementType == .f16)
        #expect(try values(TensorName(norm), in: difference.checkpoint) == [0.1015625, -0.19921875, -0.0498046875])
        #expect(difference.checkpoint.config?["dtype"] == "float16")
        for type in [ElementType.f32, .f16] {
            let merged = try DeltaMerge.merge(
                base: checkpoint([tensor(norm, [3], base, type)]), delta: difference.checkpoint)
            #expect(try values(TensorName(norm), in: merged.checkpoint) == [1.1015625, 0.30078125, 0.2001953125])
        }
        let other = try #require(throws: PVITError.self) {
            try DeltaMerge.merge(
                base: checkpoint([tensor(norm, [3], [1.01, 0.5, 0.25], .f32)]), delta: difference.checkpoint)
        }
        #expect(other.code == .mergeOtherBase)
    }

    @Test("rows that a delta's vocabulary adds are passed through, whatever rows are asked for")
    func longerVocabulary() throws {
        let result = try DeltaMerge.merge(
            base: checkpoint([tensor("model.embed_tokens.weight", [2, 2], [1, 2, 3, 4])]),
            delta: checkpoint([tensor("model.embed_tokens.weight", [4, 2], [10, 20, 30, 40, 50, 60, 70, 80])]))
        let weights = result.checkpoint.weights
        let embedding = weights.tensors[0]
        #expect(embedding.shape.dimensions == [4, 2])
        let all: [Float] = [11, 22, 33, 44, 50, 60, 70, 80]
        for start in 0...4 {
            for end in start...4 {
                let bytes = try weights.bytes(ofRows: start..<end, of: embedding)
                #expect(unpacked(bytes, .f16) == Array(all[start * 2..<end * 2]))
            }
        }
        #expect(result.extended.map(\.baseRows) == [2])
    }

    @Test("tensors that only the delta has are passed through and listed; tables of rotary frequencies are left out")
    func passedThrough() throws {
        let result = try DeltaMerge.merge(
            base: checkpoint([
                tensor("a", [1], [1]), tensor("model.layers.0.self_attn.rotary_emb.inv_freq", [1], [5], .f32),
            ]),
            delta: checkpoint([
                tensor("model.mm_projector.weight", [1, 1], [7]), tensor("a", [1], [2]),
                tensor("model.rotary_emb.inv_freq", [2], [5, 6], .f32),
            ]))
        #expect(result.passedThrough == ["model.mm_projector.weight"])
        #expect(result.ignored.count == 2)
        #expect(result.checkpoint.weights.tensors.map(\.name) == ["model.mm_projector.weight", "a"])
        #expect(try values("model.mm_projector.weight", in: result.checkpoint) == [7])
        #expect(try values("a", in: result.checkpoint) == [3])
    }

    @Test("what does not match is an error that names the tensor and both shapes")
    func mismatches() throws {
        let shape = try mergeError([tensor("a", [2, 1], [1, 2])], [tensor("a", [1, 2], [1, 2])])
        #expect(shape.code == .mergeShape && shape.tensor == "a")
        #expect("\(shape)".contains("[2, 1]") && "\(shape)".contains("[1, 2]"))
        // Only embeddings and output may grow, only in rows, and never shrink.
        let name = "model.embed_tokens.weight"
        let shrinks = try mergeError([tensor(name, [2, 1], [1, 2])], [tensor(name, [1, 1], [1])])
        #expect(shrinks.code == .mergeShape)
        let widens = try mergeError([tensor(name, [1, 1], [1])], [tensor(name, [1, 2], [1, 2])])
        #expect(widens.code == .mergeShape)
        let other = try mergeError([tensor("b", [1], [1])], [tensor("b", [2], [1, 2])])
        #expect(other.code == .mergeShape)
        let missing = try mergeError([tensor("a", [1], [1]), tensor("b", [1], [1])], [tensor("a", [1], [1])])
        #expect(missing.code == .mergeMissing && missing.tensor == "b")
        let layer = "model.layers.7.mlp.up_proj.weight"
        let unexpected = try mergeError([], [tensor(layer, [1, 1], [1])])
        #expect(unexpected.code == .mergeUnexpected && unexpected.tensor == TensorName(layer))
        let integers: Entry = ("a", .i64, [1], [UInt8](repeating: 0, count: 8))
        #expect(try mergeError([integers], [integers]).code == .mergeType)
    }

    @Test("a sum that is infinite or not a number is an error that names tensor and row")
    func notFinite() throws {
        let overflow = try mergeError(
            [tensor("a", [3, 1], [1, 60000, 1])], [tensor("a", [3, 1], [1, 60000, 1])])
        #expect(overflow.code == .mergeNotFinite && overflow.tensor == "a")
        #expect("\(overflow)".contains("row 1"))
        let nan = try mergeError([tensor("a", [1], [.nan])], [tensor("a", [1], [1])])
        #expect(nan.code == .mergeNotFinite)
        let cast = try mergeError([tensor("a", [1], [.nan], .bf16)], [tensor("a", [1], [1], .bf16)])
        #expect(cast.code.name == "quantize.not-finite" && cast.tensor == "a")
    }

    @Test("a tied base adds its embeddings to the output layer of a delta")
    func tiedBase() throws {
        let embedding = "model.embed_tokens.weight"
        let result = try DeltaMerge.merge(
            base: checkpoint([tensor(embedding, [1, 2], [1, 2])], config: ["tie_word_embeddings": true]),
            delta: checkpoint([tensor(embedding, [1, 2], [10, 20]), tensor("lm_head.weight", [1, 2], [30, 40])]))
        #expect(try values("lm_head.weight", in: result.checkpoint) == [31, 42])
        #expect(try values("model.embed_tokens.weight", in: result.checkpoint) == [11, 22])
    }

    @Test("adding a difference back gives the target, up to one rounding of the difference")
    func inverse() throws {
        var model = TinyModel()
        let base = try model.checkpoint()
        model.seed = 2
        model.extra = [("model.mm_projector.weight", [64, 8])]
        model.vocabulary += 3
        let target = try model.checkpoint()
        let difference = try DeltaMerge.difference(base: base, target: target)
        #expect(difference.passedThrough == ["model.mm_projector.weight"])
        let merged = try DeltaMerge.merge(base: base, delta: difference.checkpoint).checkpoint
        #expect(merged.config == target.config)
        for tensor in target.weights.tensors {
            let original = try values(tensor.name, in: target)
            let again = try values(tensor.name, in: merged)
            let delta = try values(tensor.name, in: difference.checkpoint)
            for place in original.indices {
                // Half a unit in the last place of the difference, and as much of the sum.
                let bound = (Float16(delta[place].magnitude).ulp + Float16(original[place].magnitude).ulp) / 2
                #expect((original[place] - again[place]).magnitude <= Float(bound))
            }
        }
    }

    @Test("configuration and tokenizer are the delta's; a tokenizer is never pieced together from two")
    func sideFiles() throws {
        func merged(_ base: [String], _ delta: [String]) throws -> [String: String] {
            func checkpoint(_ names: [String], _ owner: String) throws -> Checkpoint {
                let files = names.map { ($0, $0 == SideFiles.config ? Array("{}".utf8) : Array(owner.utf8)) }
                return try Checkpoint(
                    path: "memory", format: "memory", weights: ArraySource([]),
                    sideFiles: SideFiles(Dictionary(uniqueKeysWithValues: files)), sourceFiles: [])
            }
            let files = try DeltaMerge.merge(base: checkpoint(base, "base"), delta: checkpoint(delta, "delta"))
                .checkpoint.sideFiles
            return Dictionary(
                uniqueKeysWithValues: files.presentNames.map {
                    ($0, files[$0].map { String(decoding: $0, as: UTF8.self) } ?? "")
                })
        }
        #expect(
            try merged(["tokenizer.json", "generation_config.json"], ["tokenizer.model", "added_tokens.json"])
                == ["tokenizer.model": "delta", "added_tokens.json": "delta", "generation_config.json": "base"])
        #expect(
            try merged(["tokenizer.json", "tokenizer.model"], ["added_tokens.json"])
                == ["tokenizer.model": "base", "added_tokens.json": "delta"])
        #expect(try merged(["tokenizer.json"], []) == ["tokenizer.json": "base"])
    }
}
