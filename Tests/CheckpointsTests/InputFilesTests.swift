import Checkpoints
import CheckpointTestSupport
import Glibc
import Storage
import SystemPackage
import Testing

@Suite("Outputs beside checkpoints")
struct InputFilesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Which of the names an output may not have, beside or in a checkpoint.
    private func refused(_ names: [String], checkpoint: String, in place: String = "") throws -> [String] {
        var inputs = InputFiles()
        inputs.add(checkpoint: folder.path.appending(checkpoint))
        return names.filter { name in
            do {
                try inputs.requireApart(folder.path.appending(place + name))
                return false
            } catch { return (error as? PVITError)?.code == .outputIsInput }
        }
    }

    private static let names = [
        "config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json",
        "chat_template.jinja", "generation_config.json", "special_tokens_map.json", "preprocessor_config.json",
        "params.json", "model.safetensors.index.json", "pytorch_model.bin.index.json", "model.safetensors",
        "pytorch_model.bin", "consolidated.00.pth", "model-00001-of-00002.safetensors",
    ]

    @Test("in a folder, names that are read are refused and fresh ones are not")
    func insideFolder() throws {
        try folder.write("m/model.safetensors", "weights")
        try folder.write("m/old.pvq", "container")
        #expect(try refused(Self.names, checkpoint: "m", in: "m/") == Self.names)
        let fresh = ["m.pvq", "old.pvq", "m.gguf", "report.html", "logits.npy", "merged", "sub/config.json"]
        #expect(try refused(fresh, checkpoint: "m", in: "m/") == [])
        #expect(try refused(Self.names, checkpoint: "m") == [])
    }

    @Test("a folder with a GGUF model takes no second one")
    func folderOfGGUF() throws {
        try folder.write("m/model.gguf", "weights")
        #expect(
            try refused(["model.gguf", "new.gguf", "new.pvq"], checkpoint: "m", in: "m/") == ["model.gguf", "new.gguf"])
    }

    @Test("a file of a folder that is a link to elsewhere is an input there too")
    func linkedFiles() throws {
        try folder.write("blobs/0a", "weights")
        try folder.write("m/config.json", "{}")
        let target = folder.path.appending("blobs/0a").string
        #expect(symlink(target, folder.path.appending("m/model.safetensors").string) == 0)
        #expect(try refused(["0a", "0b"], checkpoint: "m", in: "blobs/") == ["0a"])
    }

    @Test("beside a file, what is read with it is refused")
    func besideFile() throws {
        try folder.write("model.safetensors", "weights")
        #expect(
            try refused(["model.safetensors", "config.json", "other.safetensors"], checkpoint: "model.safetensors")
                == ["model.safetensors", "config.json"])
        let parts = ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf", "b-00002-of-00002.gguf"]
        try folder.write(parts[0], "weights")
        #expect(try refused(parts, checkpoint: parts[0]) == Array(parts[..<2]))
        try folder.write("m.pvq", "container")
        #expect(try refused(["m.pvq", "config.json"], checkpoint: "m.pvq") == ["m.pvq"])
    }

    @Test("the tokenizer above a Meta folder is an input")
    func metaTokenizer() throws {
        try folder.write("7B/consolidated.00.pth", "weights")
        #expect(try refused(["tokenizer.model", "new.pvq"], checkpoint: "7B") == ["tokenizer.model"])
    }
}
