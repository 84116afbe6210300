import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Models and deltas in each other's role")
struct DeltaRecognitionTests {
    private var model: TinyModel { TinyModel() }

    private var delta: TinyModel {
        var delta = TinyModel()
        delta.seed = 9
        delta.scale = (0.002, 0.003)
        return delta
    }

    private func error(_ body: () throws -> Void) throws -> PVITError {
        try #require(throws: PVITError.self) { try body() }
    }

    @Test("a delta given for conversion is recognised, with a remedy")
    func deltaAsSource() throws {
        let folder = try TemporaryFolder()
        let error = try error {
            _ = try Quantize.write(
                delta.checkpoint(), to: folder.path.appending("a.pvq"), options: QuantizeOptions(type: .plain(.f16)))
        }
        #expect(error.code == .modelIsDelta)
        #expect("\(error)".contains("--delta"))
        #expect(try folder.entries.isEmpty)
    }

    @Test("a delta as the base, and a model as the delta, are errors")
    func swapped() throws {
        #expect(
            try error { _ = try DeltaMerge.merge(base: delta.checkpoint(), delta: model.checkpoint()) }.code
                == .modelIsDelta)
        var other = model
        other.seed = 4
        #expect(
            try error { _ = try DeltaMerge.merge(base: model.checkpoint(), delta: other.checkpoint()) }.code
                == .deltaIsModel)
        #expect(
            try error { _ = try DeltaMerge.difference(base: model.checkpoint(), target: delta.checkpoint()) }.code
                == .modelIsDelta)
    }

    @Test("a base and its delta are neither refused nor mistaken")
    func rightPlaces() throws {
        _ = try DeltaMerge.merge(base: model.checkpoint(), delta: delta.checkpoint())
        // A delta whose norms happen to be large is still one when its matrices are small.
        var odd = delta
        odd.scale.norms = 1
        _ = try DeltaMerge.merge(base: model.checkpoint(), delta: odd.checkpoint())
    }

    @Test("a delta is added to the base that it was made from, and refused by another one of the same shapes")
    func otherBase() throws {
        var target = model
        target.seed = 5
        var other = model
        other.seed = 6
        let difference = try DeltaMerge.difference(base: model.checkpoint(), target: target.checkpoint()).checkpoint
        #expect(difference.config?["delta_base_norms_sha256"]?.string?.count == 64)
        let merged = try DeltaMerge.merge(base: model.checkpoint(), delta: difference).checkpoint
        #expect(merged.config == (try target.checkpoint().config))
        let error = try error { _ = try DeltaMerge.merge(base: other.checkpoint(), delta: difference) }
        #expect(error.code.name == "merge.other-base" && error.remedy?.contains("delta_base_norms_sha256") == true)
    }

    @Test("a sum whose norms cancel is not a model")
    func cancelling() throws {
        var negative = delta
        negative.scale.norms = -1
        #expect(
            try error { _ = try DeltaMerge.merge(base: model.checkpoint(), delta: negative.checkpoint()) }.code
                == .mergeNoModel)
    }

    @Test("small norms alone do not make a delta, but with a name that says so they do")
    func names() throws {
        var small = model
        small.scale.norms = 0.1
        let folder = try TemporaryFolder()
        let options = QuantizeOptions(type: .plain(.f16))
        _ = try Quantize.write(small.checkpoint(), to: folder.path.appending("a.pvq"), options: options)
        small.config = ["_name_or_path": "somebody/model-delta-v1"]
        let error = try error {
            _ = try Quantize.write(small.checkpoint(), to: folder.path.appending("b.pvq"), options: options)
        }
        #expect(error.code == .modelIsDelta)
        #expect("\(error)".contains("config.json"))
    }
}
