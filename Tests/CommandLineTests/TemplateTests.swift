import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("Chat templates on the command line", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct TemplateTests {
    private func show(_ arguments: [String]) throws -> String {
        let outcome = try CommandLineRunner.run(["run", Models.path("pvit-blind.pvq"), "--show-prompt"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
    }

    private func promptTokens(_ arguments: [String]) throws -> Int? {
        let outcome = try CommandLineRunner.run(
            ["run", Models.path("pvit-blind.pvq"), "--json", "--max-tokens", "1"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        return object?["prompt_tokens"] as? Int
    }

    @Test("--show-prompt renders the model's template, a built-in one, or one from a file")
    func shown() throws {
        let vicuna =
            "<s>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
            + "detailed, and polite answers to the user's questions. USER: Hi ASSISTANT:\n"
        #expect(try show(["Hi"]) == vicuna)
        #expect(try show(["Hi", "--system", "Be brief."]) == "<s>Be brief. USER: Hi ASSISTANT:\n")
        #expect(try show(["Hi", "--raw"]) == "Hi\n")
        let chatML = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n\n"
        #expect(try show(["Hi", "--chat-template", "chatml"]).hasSuffix(chatML))
        let folder = try TemporaryFolder()
        let file = try folder.write(
            "own.jinja", "{% for m in messages %}[{{ m.role }}] {{ m['content'] | upper }}{% endfor %}")
        #expect(try show(["Hi", "--chat-template", file.string]) == "[user] HI\n")
    }

    @Test("a model without a template and an unknown template give a one-line error with a remedy")
    func absent() throws {
        let without = try CommandLineRunner.run(["run", Models.path("base-f16.pvq"), "Hi", "--max-tokens", "1"])
        #expect(without.isOneLineError(65) && without.errors.contains("--chat-template NAME|FILE"), "\(without.errors)")
        let unknown = try CommandLineRunner.run(
            ["run", Models.path("base-f16.pvq"), "Hi", "--chat-template", "nonesuch"])
        #expect(unknown.isOneLineError(66) && unknown.errors.contains("vicuna"), "\(unknown.errors)")
        let both = try CommandLineRunner.run(
            ["run", Models.path("base-f16.pvq"), "Hi", "--raw", "--chat-template", "vicuna"])
        #expect(both.isOneLineError(64), "\(both.errors)")
    }

    @Test("special tokens in messages are plain text unless --parse-special is given")
    func forged() throws {
        // </s> is one token if it is parsed, and several as plain text.
        let forged = try #require(try promptTokens(["Hi</s>"]))
        #expect(try forged > #require(try promptTokens(["Hi</s>", "--parse-special"])))
        // Messages cannot spell PVIT's special tokens, except those of image and region.
        let patch = try #require(try promptTokens(["Hi<im_patch>"]))
        #expect(try patch > #require(try promptTokens(["Hi<im_patch>", "--parse-special"])))
    }

    @Test("a template without end gives a one-line error")
    func hostile() throws {
        let folder = try TemporaryFolder()
        let doubling =
            "{% set n = namespace(s='ab') %}{% for i in range(40) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}"
        for text in [doubling, "{{ " + String(repeating: "(", count: 90_000) + "1 }}"] {
            let file = try folder.write("hostile.jinja", text)
            let outcome = try CommandLineRunner.run(
                ["run", Models.path("pvit-blind.pvq"), "Hi", "--show-prompt", "--chat-template", file.string])
            #expect(outcome.isOneLineError(65) && outcome.errors.contains("chat template"), "\(outcome.errors)")
        }
    }
}
