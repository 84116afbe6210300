import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Whether a model can be run", .enabled(if: GeneratedFixtures.arePresent))
struct RunCheckTests {
    private static let text = Result { try CheckpointSource.open(GeneratedFixtures.path("mini-llama-gqa")) }
    private static let pvit = Result {
        let base = try CheckpointSource.open(GeneratedFixtures.path("mini-llama-base-st"))
        let delta = try CheckpointSource.open(GeneratedFixtures.path("mini-pvit-delta-st"))
        return try DeltaMerge.merge(base: base, delta: delta).checkpoint
    }
    private static let towers = Result {
        let region = GeneratedFixtures.path("mini-regionclip").appending("regionclip_narrow.pth")
        return [
            try Tower.vision(opening: GeneratedFixtures.path("mini-clip")), try Tower.region(opening: region),
        ]
    }

    private func text(_ changes: JSONObject = [:]) throws -> Checkpoint { try changed(Self.text.get(), changes) }

    private func pvit(_ changes: JSONObject = [:]) throws -> Checkpoint { try changed(Self.pvit.get(), changes) }

    private func towers() throws -> [Tower] { try Self.towers.get() }

    private func changed(_ checkpoint: Checkpoint, _ changes: JSONObject) throws -> Checkpoint {
        var config = checkpoint.config ?? [:]
        for change in changes.members { config[change.key] = change.value }
        return try checkpoint.with(config: config)
    }

    private func without(_ names: String..., in checkpoint: Checkpoint) throws -> Checkpoint {
        var files = checkpoint.sideFiles
        for name in names { files[name] = nil }
        return try Checkpoint(
            path: checkpoint.path, format: checkpoint.format, weights: checkpoint.weights, sideFiles: files,
            sourceFiles: [])
    }

    private func complaint(_ checkpoint: Checkpoint, _ towers: [Tower] = []) throws -> PVITError {
        try #require(throws: PVITError.self) { try RunCheck.require(checkpoint, towers: towers) }
    }

    @Test("models that run are accepted, with towers and without")
    func passing() throws {
        try RunCheck.require(text())
        try RunCheck.require(text(["max_position_embeddings": .null, "sliding_window": 100]))
        try RunCheck.require(pvit())
        try RunCheck.require(pvit(), towers: towers())
        #expect(try RunCheck.problem(of: text()) == nil)
        #expect(try RunCheck.problem(of: CheckpointSource.open(GeneratedFixtures.path("mini-clip"))) == nil)
    }

    @Test(
        "a configuration that cannot run is an error that names its member",
        arguments: [
            ("rope_scaling", ["type": "yarn", "factor": 32.0]), ("rope_scaling", ["type": "dynamic", "factor": 2.0]),
            ("rope_interleaved", true), ("attention_bias", true), ("mlp_bias", true), ("max_position_embeddings", 0),
            ("model_type", "gemma"), ("hidden_act", "gelu"),
        ] as [(String, JSONValue)])
    func configuration(member: String, value: JSONValue) throws {
        let error = try complaint(text([member: value]))
        #expect(error.code.category == .badData && error.what.contains(member))
        #expect(try RunCheck.problem(of: text([member: value])) == error.what)
    }

    @Test("errors name the configuration's file, or the model if there is none")
    func file() throws {
        let folder = try TemporaryFolder()
        var tiny = TinyModel()
        tiny.config = ["attention_bias": true]
        try HuggingFaceWriter().write(tiny.checkpoint(), to: folder.path.appending("m"))
        let path = folder.path.appending("m")
        #expect(try complaint(CheckpointSource.open(path)).file == path.appending("config.json").string)
        #expect(try complaint(tiny.checkpoint()).file == "tiny")
    }

    @Test("an unsupported tokenizer is an error that names its file")
    func tokenizer() throws {
        var files = try text().sideFiles
        files[SideFiles.tokenizerJSON] = Array(#"{"model": {"type": "WordPiece", "vocab": {}}}"#.utf8)
        let odd = try Checkpoint(
            path: "x", format: "memory", weights: text().weights, sideFiles: files, sourceFiles: [])
        #expect(try complaint(odd).code.category == .badData)
    }

    @Test("without a tokenizer a text model can be measured, and a PVIT model can do nothing")
    func noTokenizer() throws {
        let text = try without(SideFiles.sentencePieceModel, in: text())
        try RunCheck.require(text)
        #expect(try RunCheck.problem(of: text)?.contains("tokenizer") == true)
        #expect(try complaint(without(SideFiles.sentencePieceModel, in: pvit())).code.name == "tokenizer.missing")
    }

    @Test(
        "a vision tower needs a configuration that says how the model sees",
        arguments: [
            ("mm_use_im_start_end", .null), ("mm_hidden_size", .null), ("mm_hidden_size", 65),
            ("mm_vision_select_layer", -1), ("model_type", "llama"), ("mm_use_prompt_encoder", true),
        ] as [(String, JSONValue)])
    func vision(member: String, value: JSONValue) throws {
        let model = try pvit([member: value])
        #expect(try complaint(model, towers()).what.contains(member))
        // Texts alone run all the same.
        try RunCheck.require(model)
    }

    @Test("a vision tower needs PVIT's tokens and complete projections")
    func projections() throws {
        let plain = try without(SideFiles.addedTokens, in: pvit())
        #expect(try complaint(plain, towers()).what.contains("<im_patch>"))
        var source = AlteredSource(try pvit().weights)
        source.tensors.removeAll { $0.name == "model.bbox_fc.bias" }
        #expect(try complaint(pvit().with(weights: source), towers()).tensor == "model.bbox_fc.bias")
    }
}
