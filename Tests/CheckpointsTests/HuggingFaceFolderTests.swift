import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Hugging Face folders")
struct HuggingFaceFolderTests {
    private func file(_ names: String...) -> [UInt8] {
        let entries = names.enumerated().map { place, name in
            "\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\(place),\(place + 1)]}"
        }
        return safetensorsBytes(
            header: "{\(entries.joined(separator: ","))}", data: (0..<names.count).map { UInt8($0) })
    }

    private func index(_ map: [(String, String)]) -> String {
        "{\"weight_map\":{\(map.map { "\"\($0.0)\":\"\($0.1)\"" }.joined(separator: ","))}}"
    }

    /// The error that opening the folder gives.
    private func error(_ files: [(String, [UInt8])]) throws -> PVITError {
        let folder = try TemporaryFolder()
        for (name, bytes) in files { try folder.write(name, bytes) }
        return try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
    }

    @Test("a single file, its configuration and its tokenizer are found")
    func single() throws {
        let folder = try TemporaryFolder()
        try folder.write("model.safetensors", file("a", "b"))
        try folder.write("config.json", "{\"model_type\":\"llama\"}")
        try folder.write("tokenizer.model", [1, 2, 3])
        try folder.write("notes.txt", "not carried along")
        let checkpoint = try CheckpointSource.open(folder.path)
        #expect(checkpoint.weights.tensors.map(\.name) == ["a", "b"])
        #expect(checkpoint.config?["model_type"] == "llama")
        #expect(checkpoint.sideFiles[SideFiles.sentencePieceModel] == [1, 2, 3])
        #expect(checkpoint.sideFiles.presentNames == ["config.json", "tokenizer.model"])
        #expect(checkpoint.sourceFiles.map { $0.path.lastComponent?.string } == ["model.safetensors"])
    }

    @Test("a bare file is a checkpoint, with the side files of its folder")
    func bareFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("other.safetensors", file("a"))
        try folder.write("config.json", "{}")
        let checkpoint = try CheckpointSource.open(path)
        #expect(checkpoint.weights.tensors.map(\.name) == ["a"])
        #expect(checkpoint.config != nil)
    }

    @Test("shards are joined by their index, or by their numbers when there is none")
    func shards() throws {
        let folder = try TemporaryFolder()
        try folder.write("model-00001-of-00002.safetensors", file("a", "b"))
        try folder.write("model-00002-of-00002.safetensors", file("c"))
        #expect(try CheckpointSource.open(folder.path).weights.tensors.map(\.name) == ["a", "b", "c"])
        let map = [
            ("c", "model-00002-of-00002.safetensors"), ("a", "model-00001-of-00002.safetensors"),
            ("b", "model-00001-of-00002.safetensors"),
        ]
        try folder.write("model.safetensors.index.json", index(map))
        try folder.write("unrelated.safetensors", file("a"))
        let checkpoint = try CheckpointSource.open(folder.path)
        #expect(checkpoint.weights.tensors.map(\.name) == ["a", "b", "c"])
        #expect(checkpoint.sourceFiles.count == 2)
        let last = try #require(checkpoint.weights.tensor(named: "b"))
        #expect(try checkpoint.weights.bytes(ofRows: 0..<1, of: last) == [1])
    }

    @Test("absent shards are named")
    func missingShards() throws {
        let map = index([("a", "s1.safetensors"), ("b", "s2.safetensors"), ("c", "s3.safetensors")])
        let withIndex = try error([
            ("model.safetensors.index.json", Array(map.utf8)), ("s2.safetensors", file("b")),
        ])
        #expect(withIndex.code == .missingShards)
        #expect("\(withIndex)".contains("2 of 3 shards are absent: s1.safetensors, s3.safetensors"))
        let withoutIndex = try error([("model-00001-of-00003.safetensors", file("a"))])
        #expect(withoutIndex.code == .missingShards)
        #expect("\(withoutIndex)".contains("2 of 3 shards are absent: numbers 2, 3"))
    }

    @Test("an index that disagrees with its shards is refused, naming the tensor")
    func disagreement() throws {
        let map = Array(index([("a", "s1.safetensors"), ("b", "s2.safetensors")]).utf8)
        let name = "model.safetensors.index.json"
        let lacking = try error([(name, map), ("s1.safetensors", file("a")), ("s2.safetensors", file())])
        #expect(lacking.code == .shardMismatch && lacking.tensor == "b")
        let swapped = try error([(name, map), ("s1.safetensors", file("b")), ("s2.safetensors", file("a"))])
        #expect(swapped.code == .shardMismatch)
        let unlisted = try error([(name, map), ("s1.safetensors", file("a")), ("s2.safetensors", file("b", "c"))])
        #expect(unlisted.code == .shardMismatch && unlisted.tensor == "c")
        let twice = try error([(name, map), ("s1.safetensors", file("a", "b")), ("s2.safetensors", file("b"))])
        #expect(twice.code == .duplicateTensor && twice.tensor == "b")
        #expect(twice.file?.hasSuffix("/s2.safetensors") == true && twice.what.contains("s1.safetensors"))
    }

    @Test("a tensor that two shards hold with the same bytes is one")
    func equalCopies() throws {
        let folder = try TemporaryFolder()
        try folder.write("s1.safetensors", file("a", "b"))
        try folder.write("s2.safetensors", file("c", "b"))
        try folder.write(
            "model.safetensors.index.json",
            index([("a", "s1.safetensors"), ("b", "s2.safetensors"), ("c", "s2.safetensors")]))
        let weights = try CheckpointSource.open(folder.path).weights
        #expect(weights.tensors.map(\.name) == ["a", "b", "c"])
        #expect(try weights.bytes(ofRows: 0..<1, of: weights.tensors[1]) == [1])
    }

    @Test("tensors that are never read may be missing from the index, or not be where it says")
    func unreadTensors() throws {
        let folder = try TemporaryFolder()
        let prefix = "model.layers.0.self_attn.rotary_emb."
        try folder.write(
            "s1.safetensors", file("a", prefix + "inv_freq", prefix + "cos_cached", "model.layers.0._extra_state"))
        try folder.write(
            "model.safetensors.index.json",
            index([("a", "s1.safetensors"), (prefix + "sin_cached", "s1.safetensors")]))
        #expect(try CheckpointSource.open(folder.path).weights.tensors.count == 4)
    }

    @Test("of a tied model the index may list a head that is stored once, as the embeddings")
    func tiedHead() throws {
        let folder = try TemporaryFolder()
        let name = "model.embed_tokens.weight"
        try folder.write("s1.safetensors", file(name))
        try folder.write(
            "model.safetensors.index.json", index([(name, "s1.safetensors"), ("lm_head.weight", "s1.safetensors")]))
        #expect(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        try folder.write("config.json", "{\"tie_word_embeddings\": true}")
        #expect(try CheckpointSource.open(folder.path).weights.tensors.map(\.name) == [TensorName(name)])
    }

    @Test("an outdated index beside a complete set of shards is an error with the remedy")
    func outdatedIndex() throws {
        let map = index([("a", "model-00001-of-00003.safetensors"), ("b", "model-00002-of-00003.safetensors")])
        let first = ("model-00001-of-00002.safetensors", file("a"))
        let name = "model.safetensors.index.json"
        let error = try error([
            (name, Array(map.utf8)), first, ("model-00002-of-00002.safetensors", file("b")),
        ])
        #expect(error.code == .badShardIndex && error.what.contains("the index is outdated"))
        #expect(error.remedy == "delete model.safetensors.index.json to use that set")
        // Without a whole set, shards are missing.
        #expect(try self.error([(name, Array(map.utf8)), first]).code == .missingShards)
    }

    @Test(
        "prefixes of wrappers are removed, in the index too",
        arguments: ["module.", "_orig_mod.", "base_model.model.", "module._orig_mod.", "base_model.model.module."])
    func wrappers(prefix: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("s1.safetensors", file(prefix + "model.a", prefix + "lm_head.b"))
        try folder.write("s2.safetensors", file(prefix + "model.c"))
        try folder.write(
            "model.safetensors.index.json",
            index([
                (prefix + "model.a", "s1.safetensors"), (prefix + "lm_head.b", "s1.safetensors"),
                (prefix + "model.c", "s2.safetensors"),
            ]))
        let weights = try CheckpointSource.open(folder.path).weights
        #expect(weights.tensors.map(\.name) == ["model.a", "lm_head.b", "model.c"])
        #expect(try weights.bytes(ofRows: 0..<1, of: weights.tensors[1]) == [1])
    }

    @Test("a prefix that only some names have is part of them")
    func partialPrefix() throws {
        let folder = try TemporaryFolder()
        try folder.write("model.safetensors", file("module.a", "b"))
        #expect(try CheckpointSource.open(folder.path).weights.tensors.map(\.name) == ["module.a", "b"])
    }

    @Test("configurations may have Python's Infinity and a byte order mark")
    func pythonConfiguration() throws {
        let folder = try TemporaryFolder()
        try folder.write("model.safetensors", file("a"))
        try folder.write("config.json", "\u{FEFF}{\"time_step_limit\": [0.0, Infinity], \"hidden_size\": 4}")
        #expect(try CheckpointSource.open(folder.path).config?["hidden_size"] == 4)
    }

    @Test(
        "an index that is malformed, or leads out of the folder, is refused",
        arguments: [
            "", "[]", "{}", "{\"weight_map\":[]}", "{\"weight_map\":{}}", "{\"weight_map\":{\"a\":1}}",
            "{\"weight_map\":{\"a\":\"../m.safetensors\"}}", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
            "{\"weight_map\":{\"a\":\"..\"}}", "{\"weight_map\":{\"a\":\"\"}}",
            "{\"weight_map\":{\"a\":\"x\\u0000y\"}}", "{\"weight_map\":{\"a\":\"m\",\"a\":\"m\"}}",
        ])
    func badIndex(text: String) throws {
        let error = try error([("model.safetensors.index.json", Array(text.utf8))])
        #expect(error.code.category == .badData)
        #expect(error.file?.hasSuffix("model.safetensors.index.json") == true)
    }

    @Test("with several files that are not a set, none is chosen")
    func ambiguous() throws {
        let error = try error([("one.safetensors", file("a")), ("two.safetensors", file("b"))])
        #expect(error.code == .formatUnknown)
        #expect("\(error)".contains("one.safetensors, two.safetensors"))
    }

    @Test(
        "known formats that are not supported are named",
        arguments: [("flax_model.msgpack", ".msgpack"), ("tf_model.h5", ".h5")])
    func otherFormats(name: String, word: String) throws {
        let error = try error([(name, [1, 2, 3, 4]), ("config.json", Array("{}".utf8))])
        #expect(error.code == .formatNotReadable)
        #expect("\(error)".contains(word))
    }

    @Test("single files of other formats are named by their content")
    func otherFiles() throws {
        let folder = try TemporaryFolder()
        let cases: [([UInt8], PVITError.Code, String)] = [
            ([], .formatUnknown, "empty"), (Array("hello world".utf8), .formatUnknown, "not known"),
        ]
        for (bytes, code, word) in cases {
            let path = try folder.write("file", bytes)
            let error = try #require(throws: PVITError.self) { try CheckpointSource.open(path) }
            #expect(error.code == code)
            #expect("\(error)".contains(word))
        }
        let absent = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path.appending("no")) }
        #expect(absent.code == .fileNotFound)
    }

    @Test("an empty folder, a Git LFS pointer instead of a shard and a broken config.json are errors")
    func otherTrouble() throws {
        #expect(try error([]).code == .formatUnknown)
        let pointer = Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".utf8)
        #expect(try error([("model.safetensors", pointer)]).code == .lfsPointer)
        for text in ["[1]", "{", "{\"a\":1,\"a\":2}", "version https://git-lfs.github.com/spec/v1\n"] {
            let error = try error([("model.safetensors", file("a")), ("config.json", Array(text.utf8))])
            #expect(error.code.category == .badData)
            #expect(error.file?.hasSuffix("/config.json") == true)
        }
    }
}
