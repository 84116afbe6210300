import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Images on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ImageTests {
    private static let fixtures = CommandLineRunner.packageRoot.appending("Tests/PVITModelTests/Fixtures")
    private static let images = SharedFixtures.path("photos")

    private static func image(_ name: String) -> String { "\(images)/\(name).jpg" }

    private struct Answer: Decodable {
        struct Image: Decodable {
            let width: Int
            let height: Int
            let orientation: Int
        }
        let text: String
        let tokens: [Int]
        let prompt_tokens: Int
        let image: Image
        let regions: [[Int]]
        let timings: [String: Double]
    }

    private struct Golden: Decodable {
        let prompt: String
        let turns: [String]
        let greedy_ids: [Int]
        let n_input_ids: Int
        let decoded: String

        init(_ name: String) throws {
            let path = fixtures.appending("cases/\(name)/case.json").string
            self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    private func answer(_ arguments: [String]) throws -> Answer {
        try CommandLineRunner.decode(
            from: ["run", Models.path("pvit-f32.pvq"), "--kv-cache", "f32", "--json"] + arguments)
    }

    @Test("a prompt with regions is answered as by the original code, however the regions are given")
    func regions() throws {
        let golden = try Golden("0001-two-regions")
        let arguments = ["--image", Self.image("0001"), "--max-tokens", "24"]
        // The image is 600 × 346.
        let named = "For the person at {one} and {two}, who is more likely to win?"
        for prompt in [
            [golden.turns[0]], [String(golden.turns[0].dropFirst("<image>\n".count))], ["--raw", golden.prompt],
            [named, "--region", "one=0.47,0.262,0.571,0.894", "--region", "two=0.032,0.351,0.204,0.958"],
        ] {
            let answer = try answer(arguments + prompt)
            #expect(answer.tokens == golden.greedy_ids)
            // With --raw, the space before the first word belongs to the answer.
            #expect(answer.text == (prompt[0] == "--raw" ? " " : "") + golden.decoded)
            #expect(answer.prompt_tokens == golden.n_input_ids)
            #expect(answer.regions == [[470, 262, 571, 894], [32, 351, 204, 958]])
            #expect(answer.image.width == 600 && answer.image.height == 346)
            #expect(answer.image.orientation == 1)
            let timings = answer.timings
            for key in ["vision_s", "clip_s", "region_s"] { #expect(timings[key] ?? 0 > 0, "\(key)") }
        }
        let pixels = try answer(arguments + ["See {a}.", "--region", "a=60,35,300,346", "--max-tokens", "1"])
        #expect(pixels.regions == [[100, 101, 500, 1000]])
        #expect(try answer(arguments + ["What is it?", "--max-tokens", "1"]).timings["region_s"] == 0)
    }

    @Test("--tower-type q8 makes the towers smaller; a container's towers keep their type unless another is given")
    func towerType() throws {
        let folder = try TemporaryFolder()
        let (quantized, other) = (folder.path.appending("q8.pvq").string, folder.path.appending("other.pvq").string)
        func quantize(_ source: String, _ options: [String], to output: String) throws {
            let outcome = try CommandLineRunner.run(["quantize", source, "--quiet", "--output", output] + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        func types(_ path: String) throws -> Set<String> {
            struct Report: Decodable {
                struct Tensor: Decodable {
                    let name: String
                    let encoding: String
                }
                let tensors: [Tensor]
            }
            let report: Report = try CommandLineRunner.decode(from: ["inspect", path, "--tensors", "--json"])
            return Set(
                report.tensors.filter { $0.name.hasPrefix("vision_tower.") && $0.name.hasSuffix("fc1.weight") }
                    .map(\.encoding))
        }
        try quantize(Models.path("pvit-f32.pvq"), ["--type", "f32", "--tower-type", "q8"], to: quantized)
        #expect(try types(quantized) == ["q8"])
        let answer: Answer = try CommandLineRunner.decode(
            from: [
                "run", quantized, "--json", "--image", Self.image("0001"), "--region", "a=60,35,300,346",
                "--max-tokens",
                "1", "See {a}.",
            ])
        #expect(answer.tokens.count == 1 && answer.regions == [[100, 101, 500, 1000]])
        for (options, type) in [([], "q8"), (["--tower-type", "f16"], "f16"), (["--type", "f32"], "f32")] {
            try quantize(quantized, options, to: other)
            #expect(try types(other) == [type])
        }
        let refused = try CommandLineRunner.run(["quantize", quantized, "--tower-type", "q4", "--output", other])
        #expect(refused.status == 64 && refused.errors.contains("'f16', 'q8' or 'f32'"), "\(refused.errors)")
    }

    @Test(
        "features of an image, of regions and their embeddings agree with the reference",
        .enabled(if: Python.isPresent),
        arguments: [
            ("clip_features", false, false, 5e-5), ("mm_projected", false, true, 5e-5),
            ("rc_region_feats", true, false, 1e-4),
            ("region_embeds", true, true, 5e-5),
        ])
    func features(golden: String, ofRegions: Bool, isEmbedding: Bool, tolerance: Double) throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("features.npy").string
        let reference = Self.fixtures.appending("cases/0001-two-regions/\(golden).npy")
        try #require(FileManager.default.fileExists(atPath: reference.string), "\(reference)")
        // In thousandths: 470, 262, 571, 894 and 32, 351, 204, 958.
        let regions = ["--region", "one=0.47,0.262,0.571,0.894", "--region", "two=0.032,0.351,0.204,0.958"]
        let outcome = try CommandLineRunner.run(
            ["evaluate", "features", Models.path("pvit-f32.pvq"), "--image", Self.image("0001"), "--output", output]
                + (ofRegions ? regions : []) + (isEmbedding ? ["--embeddings"] : []))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let script = """
            import sys, numpy as np
            ours, theirs = np.load(sys.argv[1]), np.load(sys.argv[2])
            assert ours.shape == theirs.reshape(-1, theirs.shape[-1]).shape, (ours.shape, theirs.shape)
            print(float(np.abs(ours - theirs.reshape(ours.shape)).max()))
            """
        let printed = try Python.run(script, output, reference.string)
        let difference = try #require(Double(printed.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(difference < tolerance)
    }

    @Test("evaluate features needs an image, and a model that sees images")
    func featureUsage() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("features.npy").string
        for (model, options, status) in [
            ("pvit-f32.pvq", [], 64), ("pvit-f32.pvq", ["--region", "a=1,2,3,4"], 64),
            ("pvit-blind.pvq", ["--image", Self.image("0001")], 64),
            ("pvit-f32.pvq", ["--image", Self.image("0001"), "--region", "a=1,2,3,4000"], 64),
        ] as [(String, [String], Int32)] {
            let outcome = try CommandLineRunner.run(
                ["evaluate", "features", Models.path(model), "--output", output] + options)
            #expect(outcome.isOneLineError(status), "\(outcome.errors)")
        }
        #expect(try folder.entries.isEmpty)
    }

    @Test("logits of a prompt with an image agree with the reference", .enabled(if: Python.isPresent))
    func logits() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("logits.npy").string
        let golden = try Golden("0024-one-region-small")
        let outcome = try CommandLineRunner.run([
            "evaluate", "logits", Models.path("pvit-f32.pvq"), "--prompt", golden.prompt, "--image", Self.image("0024"),
            "--output", output,
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let script = """
            import sys, numpy as np
            ours, last = np.load(sys.argv[1]), np.load(sys.argv[2])
            assert ours.shape == (int(sys.argv[3]), 32005), ours.shape
            print(float(np.abs(ours[-1] - last.reshape(-1)).max()))
            """
        let reference = Self.fixtures.appending("cases/0024-one-region-small/prefill_logits_last.npy").string
        let printed = try Python.run(script, output, reference, "\(golden.n_input_ids)")
        let difference = try #require(Double(printed.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(difference < 2e-4)
    }

    @Test(
        "wrong images and regions give a one-line error that tells why",
        arguments: [
            (["--image", "0024", "--image", "0001", "x"], 64, "only one image"),
            (["--region", "a=1,2,3,4", "{a}"], 64, "--region needs --image"),
            (["--image", "0024", "--region", "a=1,2,3", "{a}"], 64, "3 numbers"),
            (["--image", "0024", "--region", "1,2,3,4", "{a}"], 64, "no name"),
            (["--image", "0024", "--region", "a b=1,2,3,4", "{a}"], 64, "letters, digits"),
            (["--image", "0024", "--region", "a=1,0.5,3,4", "{a}"], 64, "four whole numbers"),
            (["--image", "0024", "--region", "a=nan,.1,.2,.3", "{a}"], 64, "four whole numbers"),
            (["--image", "0024", "--region", "a=1,2,3,4", "--region", "a=5,6,7,8", "{a}"], 64, "same name"),
            (["--image", "0024", "--region", "a=1,2,3,4", "nothing"], 64, "does not mention"),
            (["--image", "0024", "--region", "a=0,0,282,100", "{a}"], 64, "281 × 179"),
            (["--image", "0024", "--region", "a=-1,0,9,9", "{a}"], 64, "beyond"),
            (["--image", "0024", "--region", "a=0.0,0.0,1.5,1.0", "{a}"], 64, "beyond"),
            (["--image", "0024", "--region", "a=9,9,3,3", "{a}"], 64, "wrong order"),
            (["--image", "0024", "--region", "a=0.1,0.1,0.1001,0.9", "{a}"], 64, "thinner"),
            (["--image", "0024", "<Region><L0><L0><L1001><L9></Region>"], 64, "beyond"),
            (["--image", "0024", "<Region>left</Region>"], 64, "four locations"),
            (["--image", "0024", "<image> or <image>"], 64, "2 <image> marks"),
            (["--image", "0024", "--raw", "no mark"], 64, "no <image>"), (["<image> there?"], 64, "no image"),
            (["<Region><L1><L2><L3><L4></Region>?"], 64, "no image"), (["--image", "absent", "x"], 66, "absent.jpg"),
            (["--image", "../prompts", "x"], 66, "prompts.jpg"),
        ])
    func refusals(arguments: [String], status: Int32, words: String) throws {
        var arguments = arguments
        for index in arguments.indices.dropFirst() where arguments[index - 1] == "--image" {
            arguments[index] = Self.image(arguments[index])
        }
        let outcome = try CommandLineRunner.run(
            ["run", Models.path("pvit-f32.pvq"), "--max-tokens", "1"] + arguments)
        #expect(outcome.status == status && !outcome.wasSignalled && outcome.output.isEmpty)
        #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }

    @Test("SIGTERM interrupts encoding an image and reading a prompt")
    func interrupted() throws {
        let many = String(repeating: "and then the dog ran after the cat ", count: 150)
        for arguments in [["--image", Self.image("0001"), "See <Region><L0><L0><L900><L900></Region>."], [many]] {
            let running = try CommandLineRunner.start(
                ["run", Models.path("pvit-f32.pvq"), "--max-tokens", "1"] + arguments)
            while running.process.isRunning, !catches(SIGTERM, running.process.processIdentifier) { usleep(1000) }
            kill(running.process.processIdentifier, SIGTERM)
            running.process.waitUntilExit()
            let outcome = try running.outcome
            #expect(outcome.status == 130 && !outcome.wasSignalled && outcome.output.isEmpty, "\(outcome)")
        }
    }

    /// Whether a process has installed a handler for a signal, so that the signal does not kill it.
    private func catches(_ signal: Int32, _ process: Int32) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let mask = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
        return mask.flatMap { UInt64($0, radix: 16) }.map { $0 >> (UInt64(signal) - 1) & 1 == 1 } ?? false
    }

    @Test("a model that cannot read images, and a file that is not an image, give an error")
    func blind() throws {
        let arguments = ["x", "--image", Self.image("0024"), "--max-tokens", "1"]
        let noTowers = try CommandLineRunner.run(["run", Models.path("pvit-blind.pvq")] + arguments)
        #expect(noTowers.isOneLineError(64) && noTowers.errors.contains("--vision-tower"))
        let llama = try CommandLineRunner.run(["run", Models.path("base-f16.pvq"), "--raw"] + arguments)
        #expect(llama.isOneLineError(64) && llama.errors.contains("cannot read images"))
        let text = try CommandLineRunner.run(["run", Models.path("pvit-blind.pvq"), "Hello", "--max-tokens", "1"])
        #expect(text.status == 0)
        let notImage = try CommandLineRunner.run(
            ["run", Models.path("pvit-f32.pvq"), "x", "--image", Models.path("pvit-f32.pvq")])
        #expect(notImage.isOneLineError(65) && notImage.errors.contains("JPEG"))
    }

    @Test("towers are checked before anything is written")
    func towers() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("model.pvq").string
        let clip = GeneratedFixtures.path("mini-clip").string
        let (pvit, llama) = (try Models.path("pvit-blind.pvq"), try Models.path("base-f16.pvq"))
        for (arguments, status, words) in [
            ([pvit, "--vision-tower", folder.path.string], 65, "no weights"),
            ([pvit, "--vision-tower", "/nonexistent"], 66, "/nonexistent"),
            ([pvit, "--region-encoder", clip], 65, "no RegionCLIP"),
            ([llama, "--vision-tower", clip], 65, "does not see images"),
        ] as [([String], Int32, String)] {
            let outcome = try CommandLineRunner.run(["quantize"] + arguments + ["--output", output])
            #expect(outcome.isOneLineError(status) && outcome.errors.contains(words), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: output))
        }
    }

    @Test("inspect shows towers, as files and in a container, and export leaves them out")
    func inspect() throws {
        let folder = try TemporaryFolder()
        let clip = try CommandLineRunner.run(["inspect", GeneratedFixtures.path("mini-clip").string])
        #expect(clip.output.contains("CLIP, 4 layers, hidden 64") && !clip.output.contains("note:"))
        let file = GeneratedFixtures.path("mini-regionclip/regionclip_narrow.pth").string
        let region = try CommandLineRunner.run(["inspect", file])
        #expect(region.output.contains("width 8, blocks 4 6 10 6") && region.output.contains("lang_encoder."))
        let model = try Models.path("pvit-f32.pvq")
        let container = try CommandLineRunner.run(["inspect", model]).output
        for words in ["vision tower ", "region encoder ", "regionclip_narrow.pth", "hidden 64"] {
            #expect(container.contains(words), "\(words)")
        }
        let exported = try CommandLineRunner.run(["export", model, "--output", folder.path.appending("e").string])
        #expect(exported.status == 0 && exported.errors.contains("left out: the vision tower and the region encoder"))
        let again = try CommandLineRunner.run(["inspect", folder.path.appending("e").string])
        #expect(again.output.contains("projectors") && !again.output.contains("region encoder"))
    }
}
