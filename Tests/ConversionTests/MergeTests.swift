import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Merging")
struct MergeTests {
    typealias Entry = (name: String, type: ElementType, shape: [Int], bytes: [UInt8])

    func checkpoint(_ tensors: [Entry], config: JSONObject = [:]) throws -> Checkpoint {
        try Checkpoint(
            path: "memory", format: "memory", weights: ArraySource(tensors),
            sideFiles: SideFiles([SideFiles.config: JSONValue.object(config).encoded()]), sourceFiles: [])
    }

    func tensor(_ name: String, _ shape: [Int], _ values: [Float], _ type: ElementType = .f16) -> Entry {
        (name, type, shape, packed(values, type))
    }

    func values(_ name: TensorName, in checkpoint: Checkpoint) throws -> [Float] {
        let tensor = try #require(checkpoint.weights.tensor(named: name))
        return unpacked(
            try checkpoint.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor), tensor.elementType)
    }

    func mergeError(_ base: [Entry], _ delta: [Entry], config: JSONObject = [:]) throws -> PVITError {
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
        .needsPython)
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

    @Test("a mismatch is an error that names the tensor and both shapes")
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

    @Test("configuration and tokenizer are the delta's; a tokenizer's files are never mixed from both")
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
