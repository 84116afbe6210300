import CheckpointTestSupport
import Foundation
import TestSupport
import Testing

@Suite("A memory budget on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct MemoryTests {
    @Test("a budget that is too small is a usage error that names a sufficient one")
    func tooSmall() throws {
        let outcome = try CommandLineRunner.run(["run", Models.path("gqa-q4.pvq"), "--raw", "a", "--memory", "1MiB"])
        #expect(outcome.isOneLineError(64) && outcome.errors.contains("give it at least"), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    @Test("a memory plan is shown as text and as JSON")
    func plan() throws {
        let path = try Models.path("gqa-q4.pvq")
        let text = try CommandLineRunner.run(["inspect", path, "--plan", "--memory", "8GiB", "--context", "48"])
        #expect(text.status == 0 && text.output.contains("48 positions in f16"), "\(text.output)\(text.errors)")
        let json = try CommandLineRunner.run(["inspect", path, "--plan", "--memory", "8GiB", "--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(object["limit_bytes"] as? Int == 8 << 30)
        #expect(object["weights"] as? String == "mapped")
        #expect(object["bytes_per_token"] as? Int == 0)
        let wrong = try CommandLineRunner.run(["inspect", path, "--memory", "8GiB"])
        #expect(wrong.status == 64 && wrong.errors.contains("--plan"), "\(wrong.errors)")
    }

    @Test("--verbose prints the memory plan on standard error and does not change the answer")
    func verbose() throws {
        let arguments = try ["run", Models.path("gqa-q4.pvq"), "--raw", "Once upon a time", "--max-tokens", "8"]
        let plain = try CommandLineRunner.run(arguments)
        let told = try CommandLineRunner.run(arguments + ["--memory", "4GiB", "--verbose"])
        #expect(plain.status == 0 && plain.output == told.output)
        #expect(!plain.errors.contains("KV cache") && told.errors.contains("KV cache"))
    }
}
