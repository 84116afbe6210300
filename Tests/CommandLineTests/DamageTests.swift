import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Damaged files and failing disks", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct DamageTests {
    @Test("a truncated container gives a one-line error and status 65, wherever it is cut")
    func truncated() throws {
        let folder = try TemporaryFolder()
        let bytes = try Models.bytes("gqa-q4.pvq")
        let path = folder.path.appending("cut.pvq").string
        let cuts = [0, 1, 63, 64, 65, 4096] + (1..<20).map { bytes.count * $0 / 20 } + [bytes.count - 1]
        for cut in cuts {
            try Data(bytes[..<cut]).write(to: URL(fileURLWithPath: path))
            for arguments in [["run", path, "--raw", "a"], ["verify", path], ["inspect", path]] {
                let outcome = try CommandLineRunner.run(arguments)
                #expect(outcome.isOneLineError(65), "cut at \(cut), \(arguments[0]): \(outcome.errors)")
                #expect(outcome.output.isEmpty)
            }
        }
    }

    @Test("verify names the tensor with a flipped bit, and run generates nothing from it")
    func flipped() throws {
        let folder = try TemporaryFolder()
        var bytes = try Models.bytes("gqa-q4.pvq")
        let path = folder.path.appending("flipped.pvq").string
        let listing = try CommandLineRunner.run(["inspect", Models.path("gqa-q4.pvq"), "--tensors", "--json"])
        #expect(listing.output.contains("model.layers.1.mlp.down_proj.weight"))
        // Tensors are stored in the order of a forward pass, so the middle of the file is in some layer.
        let offset = bytes.count / 2
        bytes[offset] ^= 0x10
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let verified = try CommandLineRunner.run(["verify", path])
        #expect(verified.isOneLineError(65) && verified.errors.contains("tensor model."), "\(verified.errors)")
        let run = try CommandLineRunner.run(["run", path, "--raw", "Once upon a time", "--max-tokens", "4"])
        #expect(run.isOneLineError(65) && run.errors.contains("tensor model."), "\(run.errors)")
        #expect(run.output.isEmpty)
    }

    @Test(
        "a killed quantize leaves no partial file, and an earlier file unchanged", arguments: [SIGKILL, SIGTERM])
    func killed(signal: Int32) throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq")
        try Data("earlier".utf8).write(to: URL(fileURLWithPath: output.string))
        for delay in [0.0, 0.05, 0.1, 0.2, 0.4] {
            let running = try CommandLineRunner.start([
                "quantize", GeneratedFixtures.path("mini-llama-base-st").string, "--type", "q4", "--output",
                output.string,
            ])
            Thread.sleep(forTimeInterval: delay)
            kill(running.process.processIdentifier, signal)
            running.process.waitUntilExit()
            let content = try Data(contentsOf: URL(fileURLWithPath: output.string))
            if running.process.terminationReason == .exit, running.process.terminationStatus == 0 {
                #expect(content.count > 1000, "it finished before the signal")
                try Data("earlier".utf8).write(to: URL(fileURLWithPath: output.string))
            } else {
                #expect(content == Data("earlier".utf8))
                if running.process.terminationReason == .exit { #expect(running.process.terminationStatus == 130) }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.string) == ["model.pvq"])
        }
    }

    @Test(
        "a source that is truncated while it is read gives a one-line error, status 74 or 65, and no output",
        arguments: [
            ("mini-llama-base-st", "model-00002-of-00002.safetensors"),
            ("mini-llama-base", "pytorch_model-00002-of-00002.bin"), ("mini-llama-meta", "consolidated.00.pth"),
        ])
    func cutSource(name: String, file: String) throws {
        let outcomes = try [0.0, 0.02, 0.05, 0.1, 0.2, 0.4].map { delay in
            let folder = try TemporaryFolder()
            let source = folder.path.appending("source").string
            try FileManager.default.copyItem(atPath: GeneratedFixtures.path(name).string, toPath: source)
            let output = folder.path.appending("model.pvq").string
            let running = try CommandLineRunner.start(["quantize", source, "--type", "f32", "--output", output])
            Thread.sleep(forTimeInterval: delay)
            #expect(truncate("\(source)/\(file)", 40_000) == 0)
            running.process.waitUntilExit()
            let outcome = try running.outcome
            if outcome.status != 0 {
                #expect(outcome.isOneLineError(74) || outcome.isOneLineError(65), "\(outcome.status) \(outcome.errors)")
                #expect(outcome.errors.contains(file))
            }
            #expect(FileManager.default.fileExists(atPath: output) == (outcome.status == 0))
            return outcome.status
        }
        #expect(outcomes.contains { $0 != 0 })
    }

    @Test("every converting command refuses a PyTorch archive with a flipped bit and leaves no output")
    func flippedArchive() throws {
        let folder = try TemporaryFolder()
        /// A copy of a fixture with one bit flipped in the middle of a file, which is inside a large matrix.
        func damaged(_ name: String, _ file: String) throws -> String {
            let copy = folder.path.appending(name)
            try FileManager.default.copyItem(atPath: GeneratedFixtures.path(name).string, toPath: copy.string)
            let url = URL(fileURLWithPath: copy.appending(file).string)
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: url)
            return copy.string
        }
        let shard = "pytorch_model-00002-of-00002.bin"
        let base = try damaged("mini-llama-base", shard)
        let delta = try damaged("mini-pvit-delta", shard)
        let meta = try damaged("mini-llama-meta", "consolidated.00.pth")
        let region = try damaged("mini-regionclip", "regionclip_narrow.pth") + "/regionclip_narrow.pth"
        let goodBase = GeneratedFixtures.path("mini-llama-base").string
        let goodDelta = GeneratedFixtures.path("mini-pvit-delta").string
        let commands = [
            ["quantize", base], ["quantize", goodBase, "--delta", delta],
            ["quantize", goodBase, "--delta", goodDelta, "--region-encoder", region], ["quantize", meta],
            ["merge", base, goodDelta], ["merge", goodBase, delta], ["delta", goodBase, base], ["export", base],
            ["export", base, "--type", "q8_0"], ["export", meta],
        ]
        for command in commands {
            let isFile = command[0] == "quantize" ? ".pvq" : command.contains("q8_0") ? ".gguf" : ""
            let output = folder.path.appending("output\(isFile)").string
            let outcome = try CommandLineRunner.run(command + ["--output", output, "--quiet"])
            #expect(outcome.isOneLineError(65), "\(command): \(outcome.errors)")
            #expect(outcome.errors.contains("their checksum is not the archive's"), "\(command): \(outcome.errors)")
            #expect(outcome.errors.contains("tensor "), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: output))
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path.string).sorted() == [
                "mini-llama-base", "mini-llama-meta", "mini-pvit-delta", "mini-regionclip",
            ])
    }

    @Test("truncating a container while it runs ends the answer with status 74")
    func cutWhileRunning() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq").string
        try Data(Models.bytes("gqa-q4.pvq")).write(to: URL(fileURLWithPath: path))
        let running = try CommandLineRunner.start(
            ["run", path, "--raw", "Once upon a time", "--temperature", "1", "--seed", "1", "--max-tokens", "2000"])
        // Wait for the first output: then all checks of opening are done.
        while running.process.isRunning, try running.partialOutput.isEmpty { Thread.sleep(forTimeInterval: 0.01) }
        #expect(truncate(path, 8192) == 0)
        running.process.waitUntilExit()
        let outcome = try running.outcome
        #expect(outcome.isOneLineError(74), "\(outcome.status) \(outcome.errors)")
        #expect(
            outcome.errors.contains("was truncated from") && outcome.errors.contains("tensor "), "\(outcome.errors)")
    }

    @Test("a killed merge leaves no output folder")
    func killedMerge() throws {
        for delay in [0.02, 0.1, 0.2] {
            let folder = try TemporaryFolder()
            let output = folder.path.appending("merged")
            let running = try CommandLineRunner.start([
                "merge", GeneratedFixtures.path("mini-llama-base-st").string,
                GeneratedFixtures.path("mini-pvit-delta-st").string, "--output", output.string,
            ])
            Thread.sleep(forTimeInterval: delay)
            kill(running.process.processIdentifier, SIGKILL)
            running.process.waitUntilExit()
            if running.process.terminationReason == .uncaughtSignal {
                #expect(!FileManager.default.fileExists(atPath: output.string))
            }
        }
    }

    @Test("a full disk gives an error and leaves existing files unchanged", .enabled(if: SmallDisk.isPossible))
    func fullDisk() throws {
        let disk = try SmallDisk(byteCount: 4 << 20)
        let output = disk.path.appending("model.pvq")
        try Data("earlier".utf8).write(to: URL(fileURLWithPath: output.string))
        let checkpoint = GeneratedFixtures.path("mini-llama-base-st").string
        for arguments in [
            ["quantize", checkpoint, "--type", "q8", "--output", output.string],
            [
                "merge", checkpoint, GeneratedFixtures.path("mini-pvit-delta-st").string, "--output",
                output.string + "-m", "--quiet",
            ],
        ] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(outcome.isOneLineError(73) || outcome.isOneLineError(74), "\(outcome.errors)")
            #expect(outcome.errors.contains("space"))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: output.string)) == Data("earlier".utf8))
        #expect(try disk.entries == ["model.pvq"])
    }
}
