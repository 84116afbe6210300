import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Outputs on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct OutputTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A copy of the small model, which may be damaged.
    private func copyModel() throws -> FilePath {
        let copy = folder.path.appending("m")
        try FileManager.default.copyItem(
            atPath: GeneratedFixtures.path("mini-llama-gqa").string, toPath: copy.string)
        return copy
    }

    private func bytes(in folder: FilePath) throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.string)
        return try Dictionary(
            uniqueKeysWithValues: names.map { name in
                (name, try Data(contentsOf: URL(fileURLWithPath: folder.appending(name).string)))
            })
    }

    @Test("no command replaces what it reads")
    func inputs() throws {
        let model = try copyModel()
        try FileManager.default.copyItem(atPath: Models.path("gqa-q4.pvq"), toPath: model.appending("m.pvq").string)
        try Data("text".utf8).write(to: URL(fileURLWithPath: model.appending("text").string))
        #expect(link(model.appending("m.pvq").string, folder.path.appending("hard").string) == 0)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path.appending("soft").string, withDestinationPath: "m/m.pvq")
        let before = try bytes(in: model)
        func path(_ name: String) -> String { model.appending(name).string }
        let hard = folder.path.appending("hard").string
        let soft = folder.path.appending("soft").string
        let other = GeneratedFixtures.path("mini-pvit-delta-st").string
        let commands = [
            ["quantize", model.string, "-o", path("model.safetensors")],
            ["quantize", model.string, "-o", path("new.safetensors")],
            ["quantize", model.string, "-o", path("config.json")],
            ["quantize", model.string, "--calibration", path("text"), "-o", path("text")],
            ["quantize", model.string, "--importance", path("text"), "-o", path("text")],
            ["quantize", model.string, "--delta", other, "-o", other + "/config.json"],
            ["quantize", other, "--vision-tower", model.string, "-o", path("config.json")],
            ["quantize", other, "--region-encoder", path("m.pvq"), "-o", hard],
            ["export", path("m.pvq"), "-o", hard], ["export", path("m.pvq"), "-o", soft],
            ["export", model.string, "-o", model.string], ["merge", model.string, other, "-o", model.string],
            ["merge", other, model.string, "-o", model.string], ["delta", other, model.string, "-o", model.string],
            ["inspect", model.string, "--report", path("config.json")],
            ["inspect", other, "--compare", model.string, "--report", path("config.json")],
            ["inspect", other, "--compare", path("m.pvq"), "--report", hard],
            ["evaluate", "logits", path("m.pvq"), "--tokens", "1", "-o", soft],
            ["evaluate", "logits", path("m.pvq"), "--prompt", "a", "--image", path("text"), "-o", path("text")],
            ["evaluate", "fineeval", path("m.pvq"), "--questions", path("text"), "--images", model.string, "-o", soft],
            ["evaluate", "fineeval", hard, "--questions", path("text"), "--images", model.string, "-o", path("text")],
        ]
        for command in commands {
            let outcome = try CommandLineRunner.run(command)
            #expect(outcome.isOneLineError(64), "\(command): \(outcome.errors)")
            #expect(outcome.errors.contains("the output is"), "\(outcome.errors)")
        }
        #expect(try bytes(in: model) == before)
        // Beside the inputs, under a name of its own, and again over that.
        for _ in 0..<2 {
            let outcome = try CommandLineRunner.run(["inspect", model.string, "--report", path("report.html")])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    @Test("a pipe gets the bytes that a file would get, and stays a pipe")
    func pipe() throws {
        let outcome = try CommandLineRunner.runShell(
            """
            mkfifo pipe && ln -s pipe link && cat pipe > piped &
            while [ ! -L link ]; do sleep 0.01; done
            "$PVIT" quantize '\(GeneratedFixtures.path("mini-llama-gqa"))' --type f16 --quiet --output link || exit 1
            wait
            "$PVIT" quantize '\(GeneratedFixtures.path("mini-llama-gqa"))' --type f16 --quiet --output file
            cmp piped file && [ -p pipe ] && [ -L link ] && echo same
            """, in: folder.path)
        #expect(outcome.output == "same\n", "\(outcome.errors)")
    }

    @Test("devices and links stay what they are", .enabled(if: geteuid() == 0))
    func nodes() throws {
        let model = try Models.path("gqa-q4.pvq")
        let outcome = try CommandLineRunner.runShell(
            """
            mknod null c 1 3; mknod disk b 120 0; ln -s null tonull; ln -s new tonew
            for output in null tonull tonew; do
                "$PVIT" evaluate logits '\(model)' --tokens 1,2 -o $output || echo failed
                "$PVIT" inspect '\(model)' --report $output > text || echo failed
            done
            "$PVIT" evaluate logits '\(model)' --tokens 1,2 -o disk; echo $?
            "$PVIT" evaluate fineeval '\(model)' --questions text --images . -o null; echo $?
            [ -c null ] && [ -b disk ] && [ -L tonull ] && [ -L tonew ] && [ -s new ] && echo kept
            """, in: folder.path)
        #expect(outcome.output == "73\n73\nkept\n", "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 2, "\(outcome.errors)")
    }

    @Test(
        "the current folder and a mount point can be outputs of export",
        .enabled(if: SmallDisk.isPossible))
    func filledFolders() throws {
        let model = try Models.path("gqa-q4.pvq")
        let disk = try SmallDisk(byteCount: 64 << 20)
        let outcome = try CommandLineRunner.runShell(
            """
            mkdir current && cd current && "$PVIT" export '\(model)' -q -o . && ls -A && cd ..
            ln -s '\(disk.path)' disk && "$PVIT" export '\(model)' -q -o disk && ls -A disk/ && [ -L disk ] || exit 1
            "$PVIT" export '\(model)' -q -o disk; echo $?; "$PVIT" export '\(model)' -q -o current; echo $?
            """, in: folder.path)
        let files = ["config.json", "model.safetensors"]
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(lines.filter(files.contains) == files + files, "\(outcome.output) \(outcome.errors)")
        #expect(!lines.contains { $0.hasSuffix(".partial") } && lines.suffix(2) == ["73", "73"])
    }

    @Test("file names that are not UTF-8 work as arguments, in folders and as outputs")
    func fileNames() throws {
        let outcome = try CommandLineRunner.runShell(
            #"""
            bad=$(printf 'm\377\303'); cp -r '\#(GeneratedFixtures.path("mini-llama-gqa"))' "$bad"
            mv "$bad/model.safetensors" "$bad/w$(printf '\376').safetensors"
            "$PVIT" quantize "$bad" --type q8 -q --output="$bad/$bad.pvq" || exit 1
            [ -f "$bad/$bad.pvq" ] && "$PVIT" verify "$bad/$bad.pvq" || exit 1
            "$PVIT" export "$bad" -q -o "$bad$bad" && [ -f "$bad$bad/model.safetensors" ] && echo exported
            "$PVIT" quantize "$bad" -o "$bad/w$(printf '\376').safetensors"; echo $?
            "$PVIT" inspect "$bad/$(printf '\200')"; echo $?
            "$PVIT" tokenize "$bad/$bad.pvq" "$(printf 'a\377b')" --json | grep -c 'a'
            """#, in: folder.path)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix(#"m\xFF\xC3/m\xFF\xC3.pvq: intact, "#) == true, "\(outcome.errors)")
        #expect(lines.dropFirst().prefix(3) == ["exported", "64", "66"])
        #expect(outcome.errors.contains(#"(file m\xFF\xC3/w\xFE.safetensors)"#))
        #expect(outcome.errors.contains(#"there is no such file (file m\xFF\xC3/\x80)"#))
    }

    @Test("the program works without /proc", .enabled(if: SmallDisk.isPossible), .hidesProc)
    func withoutProc() throws {
        let model = try Models.path("gqa-q4.pvq")
        let commands = """
            mount -t tmpfs none /proc && [ ! -e /proc/self ] || exit 1
            "$PVIT" tokenize '\(model)' Hello || exit 1
            "$PVIT" evaluate logits '\(model)' --tokens 1,2 -o logits.npy && [ -s logits.npy ] || exit 1
            "$PVIT" export '\(model)' -q -o folder && [ -s folder/model.safetensors ] || exit 1
            "$PVIT" inspect absent; echo $?; "$PVIT" nonsense; echo $?; ls -A
            """
        try Data(commands.utf8).write(to: URL(fileURLWithPath: folder.path.appending("commands").string))
        let outcome = try CommandLineRunner.runShell("unshare -m sh commands", in: folder.path)
        #expect(outcome.output.contains("Hello"), "\(outcome.errors)")
        #expect(outcome.output.hasSuffix("66\n64\ncommands\nfolder\nlogits.npy\n"), "\(outcome.output)")
    }
}
