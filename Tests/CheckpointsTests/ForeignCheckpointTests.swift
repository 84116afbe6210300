import Checkpoints
import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Folders and files that are not models")
struct ForeignCheckpointTests {
    /// The error that opening a folder with these files gives.
    private func error(_ files: [String: String]) throws -> PVITError {
        let folder = try TemporaryFolder()
        for (name, text) in files { try folder.write(name, text) }
        return try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
    }

    @Test(
        "each is recognised",
        arguments: [
            (
                ["adapter_config.json": #"{"peft_type": "LORA", "base_model_name_or_path": "a/b"}"#],
                "LoRA adapter of a/b"
            ),
            (["model_index.json": #"{"_class_name": "StableDiffusionPipeline"}"#], "StableDiffusionPipeline"),
            (
                ["latest": "global_step12", "global_step12/mp_rank_00_model_states.pt": "", "zero_to_fp32.py": ""],
                "DeepSpeed"
            ),
            (["zero_pp_rank_0_mp_rank_00_optim_states.pt": ""], "DeepSpeed"),
            (["__0_0.distcp": "", ".metadata": ""], "distributed checkpoint of PyTorch"),
            (["pytorch_model_fsdp_0/__0_0.distcp": ""], "distributed checkpoint of PyTorch"),
            (["iter_0001000/mp_rank_00/model_optim_rng.pt": ""], "Megatron"),
            (["optimizer.pt": "", "rng_state_0.pth": "", "trainer_state.json": "{}"], "state of a training run"),
            (["model.onnx": ""], "ONNX"), (["models--a--b/refs/main": "x"], "the cache of Hugging Face"),
        ] as [([String: String], String)])
    func folders(files: [String: String], words: String) throws {
        let error = try error(files)
        #expect([.notAModel, .formatNotReadable].contains(error.code) && error.what.contains(words), "\(error)")
        #expect(error.remedy != nil && error.file != nil)
    }

    @Test("a folder of folders names the one that looks like a model")
    func folderOfFolders() throws {
        let error = try error(["a/notes.txt": "", "checkpoint-500/config.json": "{}"])
        #expect(error.code == .formatUnknown && error.remedy?.contains("/checkpoint-500, which looks like") == true)
    }

    @Test("in the cache of Hugging Face the folder of the revision is named")
    func cache() throws {
        let folder = try TemporaryFolder()
        for revision in ["aaa", "bbb"] { try folder.write("models--o--n/snapshots/\(revision)/config.json", "{}") }
        try folder.write("models--o--n/refs/main", "bbb\n")
        let path = folder.path.appending("models--o--n")
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(path) }
        #expect(error.code == .notAModel)
        #expect(error.remedy == "give \(path)/snapshots/bbb, or another revision beside it: aaa")
    }

    @Test("a broken link is named with what it leads to, wherever it is")
    func brokenLinks() throws {
        let folder = try TemporaryFolder()
        for name in ["model.safetensors", "config.json", "model.bin"] {
            let path = folder.path.appending(name)
            try FileManager.default.createSymbolicLink(
                atPath: path.string, withDestinationPath: "../blobs/0123")
            for opened in [folder.path, path] {
                let error = try #require(throws: PVITError.self) { try CheckpointSource.open(opened) }
                if opened == path || name != "config.json" {
                    #expect(error.code == .fileNotFound && error.what.contains("../blobs/0123"), "\(error)")
                    #expect(error.file?.hasSuffix(name) == true)
                }
            }
            try folder.remove(name)
        }
    }

    @Test(
        "the files of a training run are named by their names, before anything is read",
        arguments: [
            "optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "trainer_state.json",
        ])
    func trainerFiles(name: String) throws {
        let path = try TemporaryFolder().write(name, "anything")
        let folder = try TemporaryFolder()
        let file = try folder.write(name, "anything")
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(file) }
        #expect(error.code == .notAModel && error.what.contains(name), "\(path)")
    }

    @Test("8-bit floating-point weights are named as in config.json")
    func fp8() throws {
        let folder = try TemporaryFolder()
        let file = safetensorsBytes(header: #"{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#, data: [1])
        try folder.write("model.safetensors", file)
        let plain = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(plain.code == .safetensorsUnsupportedType)
        try folder.write("config.json", #"{"quantization_config": {"quant_method": "fp8"}}"#)
        let named = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(named.code == .quantizedCheckpoint && named.what.contains("FP8") && named.tensor == "w")
        #expect(named.file?.hasSuffix("/model.safetensors") == true)
    }
}
