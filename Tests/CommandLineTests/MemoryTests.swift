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
        // No disk is measured for a model that is not streamed.
        #expect(!object.keys.contains { $0.hasPrefix("disk") || $0.hasPrefix("expected") })
        let wrong = try CommandLineRunner.run(["inspect", path, "--memory", "8GiB"])
        #expect(wrong.status == 64 && wrong.errors.contains("--plan"), "\(wrong.errors)")
    }

    @Test("a plan with a draft model is that of run --draft")
    func draft() throws {
        let (model, small) = (try Models.path("base-f16.pvq"), try Models.path("gqa-q4.pvq"))
        let options = ["--draft", small, "--memory", "1GiB", "--context", "64"]
        let plan = try CommandLineRunner.run(["inspect", model, "--plan"] + options)
        let run = try CommandLineRunner.run(["run", model, "a", "--raw", "--max-tokens", "1", "--verbose"] + options)
        #expect(plan.status == 0 && run.status == 0, "\(plan.errors)\(run.errors)")
        // The program itself takes more or less.
        func items(_ text: String) -> [Substring] {
            text.split(separator: "\n").filter { !$0.hasPrefix("program") && !$0.hasPrefix("note") }
        }
        #expect(items(plan.output) == items(run.errors) && plan.output.contains("draft model"))
        let absent = try CommandLineRunner.run(["inspect", model, "--plan", "--draft", "/nonexistent.pvq"])
        #expect(absent.isOneLineError(66), "\(absent.errors)")
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
