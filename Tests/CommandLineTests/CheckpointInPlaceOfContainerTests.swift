import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Inputs of the wrong kind", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct CheckpointInPlaceOfContainerTests {
    private let model = GeneratedFixtures.path("mini-llama-gqa").string

    @Test("the error for a checkpoint instead of a container gives the command that converts it")
    func everyCommand() throws {
        let commands = [
            ["run", model, "Hi"], ["tokenize", model, "Hi"], ["verify", model], ["bench", model, "--runs", "1"],
            ["evaluate", "perplexity", model, "--text", #filePath], ["inspect", model, "--plan"],
        ]
        for command in commands {
            let outcome = try CommandLineRunner.run(command)
            #expect(outcome.isOneLineError(65), "\(command): \(outcome.errors)")
            #expect(
                outcome.errors.contains("pvit quantize \(model) --output mini-llama-gqa.pvq"), "\(outcome.errors)")
        }
    }

    @Test("the error tells the format of every kind of file, and adapters and deltas apart from models")
    func everyKind() throws {
        let folder = try TemporaryFolder()
        let gguf = folder.path.appending("a model.gguf").string
        #expect(try CommandLineRunner.run(["export", model, "--output", gguf, "--quiet"]).status == 0)
        let delta = GeneratedFixtures.path("mini-pvit-delta-st").string
        let regions = GeneratedFixtures.path("mini-regionclip/regionclip_narrow.pth").string
        let text = try folder.write("notes.txt", "no model").string
        let adapter = try folder.write("lora/adapter_config.json", #"{"peft_type": "LORA"}"#).removingLastComponent()
        let empty = try folder.write("empty/notes.txt", "no model").removingLastComponent()
        for (path, words) in [
            (gguf, "(GGUF), not a .pvq container"), (gguf, "pvit quantize '\(gguf)' --output 'a model.pvq'"),
            (delta, "pvit quantize BASE --delta \(delta) --output mini-pvit-delta-st.pvq"),
            (text, "neither a .pvq container"),
            (adapter.string, "LoRA adapter"), (empty.string, "nor a folder with a model"), (regions, "(PyTorch)"),
        ] {
            let outcome = try CommandLineRunner.run(["run", path, "Hi"])
            #expect(outcome.isOneLineError(65) && outcome.errors.contains(words), "\(path): \(outcome.errors)")
        }
    }

    @Test("UTF-16 is a one-line error wherever a text is read")
    func utf16() throws {
        let folder = try TemporaryFolder()
        let text = #"{"image": "a.png", "instruction": "What is this?"}"#
        let bytes: [UInt8] = [0xFF, 0xFE] + text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let path = try folder.write("text", bytes).string
        let output = folder.path.appending("o").string
        for arguments in [
            ["evaluate", "perplexity", try Models.path("gqa-q8.pvq"), "--text", path],
            ["quantize", model, "--calibration", path, "--output", output],
            [
                "evaluate", "fineeval", try Models.path("pvit-f32.pvq"), "--questions", path, "--images",
                folder.path.string, "--output", output,
            ],
        ] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(outcome.isOneLineError(65), "\(outcome.errors)")
            #expect(outcome.errors.contains("UTF-16") && outcome.errors.contains("iconv -f UTF-16 -t UTF-8"))
        }
    }

    @Test("inspect recognises an adapter")
    func inspectAdapter() throws {
        let folder = try TemporaryFolder()
        try folder.write("adapter_config.json", #"{"peft_type": "LORA"}"#)
        let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        try folder.write(
            "adapter_model.safetensors",
            safetensorsBytes(
                header: "{\"\(name)\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", data: [0, 0x3C]))
        let outcome = try CommandLineRunner.run(["inspect", folder.path.string])
        #expect(outcome.status == 0 && outcome.output.contains("LoRA adapter"))
        #expect(try CommandLineRunner.run(["quantize", folder.path.string, "-o", "o"]).isOneLineError(65))
    }
}
