import CheckpointTestSupport
import Foundation
import Tensors
import Testing

@testable import PVITModel

@Suite("Chat templates")
struct ChatTemplateTests {
    static let names: [(String, ChatTemplate.Family)] = [
        ("chatML-smollm2", .chatML), ("chatML-trimmed", .chatML), ("llama2", .llama2), ("llama3", .llama3),
        ("vicuna-lines", .vicuna), ("alpaca", .alpaca),
    ]

    static let conversations: [[ChatMessage]] = [
        [ChatMessage(.user, "What is the capital of France, and why is it famous?")],
        [ChatMessage(.system, "Be brief."), ChatMessage(.user, "Hello")],
        [
            ChatMessage(.user, "  1 + 1?\n"), ChatMessage(.assistant, "\n2 "),
            ChatMessage(.user, "\u{1F}And \"2\" * 3?\t"),
        ],
        [
            ChatMessage(.system, " Über\u{A0}alles\n"), ChatMessage(.user, "日本語 👩‍👩‍👧\r\nzwei"),
            ChatMessage(.assistant, "{{ bos_token }} {% if %}"), ChatMessage(.user, "e\u{301} \u{301}"),
        ],
        [ChatMessage(.system, ""), ChatMessage(.user, "")],
    ]

    static func text(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/templates/\(name)", withExtension: "jinja"))
        return try String(contentsOf: url, encoding: .utf8)
    }

    /// Renders as `transformers.apply_chat_template` does.
    private static let reference = """
        import json, sys
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        def fail(message):
            raise Exception(message)
        job = json.loads(sys.argv[1])
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = fail
        results = []
        for text in job["templates"]:
            try:
                results.append(environment.from_string(text).render(**job["variables"]))
            except Exception as error:
                results.append(None)
        print(json.dumps(results))
        """

    static func render(_ templates: [String], _ variables: JSONObject) throws -> [String?] {
        let job: JSONValue = ["templates": .array(templates.map { .string($0) }), "variables": .object(variables)]
        let output = try Python.run(reference, String(decoding: job.encoded(), as: UTF8.self))
        return (try JSONValue(parsing: Array(output.utf8)).array ?? []).map(\.string)
    }

    @Test(
        "conversations are what Jinja makes of them", .enabled(if: Python.isPresent), arguments: names,
        conversations)
    func rendering(_ template: (name: String, family: ChatTemplate.Family), _ messages: [ChatMessage]) throws {
        let text = try Self.text(template.name)
        let list = messages.map {
            JSONValue.object(["role": .string($0.role.rawValue), "content": .string($0.content)])
        }
        let expected = try Self.render(
            [text],
            [
                "messages": .array(list), "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
            ])
        let chat = try ChatTemplate(recognising: text, beginningText: "<s>", endText: "</s>")
        #expect(chat.family == template.family)
        #expect(expected.count == 1)
        #expect(try chat.render(messages).utf8.elementsEqual(try #require(expected[0]).utf8))
    }

    @Test("SmolLM2 is told who it is unless the conversation says otherwise")
    func smolLM2() throws {
        let chat = try ChatTemplate(
            recognising: Self.text("chatML-smollm2"), beginningText: "<|im_start|>", endText: "<|im_end|>")
        #expect(
            try chat.render([ChatMessage(.user, "Hi")])
                == "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
                + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        #expect(chat.stopTexts == ["<|im_end|>"])
    }

    @Test("Vicuna's conversation has PVIT's spacing")
    func vicuna() throws {
        let system =
            "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
            + "detailed, and polite answers to the user's questions."
        let chat = try ChatTemplate.vicuna()
        #expect(chat.family == .vicuna)
        #expect(
            try chat.render([ChatMessage(.user, "Describe the water cycle in one sentence.")])
                == "<s>\(system) USER: Describe the water cycle in one sentence. ASSISTANT:")
        let turns = [ChatMessage(.user, "One?"), ChatMessage(.assistant, "Two."), ChatMessage(.user, "Three?")]
        #expect(try chat.render(turns) == "<s>\(system) USER: One? ASSISTANT: Two.</s>USER: Three? ASSISTANT:")
        #expect(try chat.render([ChatMessage(.system, "Rules."), turns[0]]) == "<s>Rules. USER: One? ASSISTANT:")
        #expect(throws: PVITError.self) { try chat.render([turns[0], ChatMessage(.system, "Late.")]) }
    }

    @Test(
        "unknown templates point to --raw",
        arguments: [
            "", "{{ messages[0].content }}", "<|user|>\n{{ messages[0].content }}<|end|>", "{% if %}",
            "<|im_start|> <|im_end|> {% macro x() %}{% endmacro %}",
        ])
    func unknown(_ text: String) {
        let error = #expect(throws: PVITError.self) {
            try ChatTemplate(recognising: text, beginningText: "", endText: "")
        }
        #expect(error?.code == .chatTemplate)
        #expect(error?.remedy?.contains("--raw") == true)
    }

    @Test("a template that refuses a conversation is an error with its words")
    func refusal() throws {
        let chat = try ChatTemplate(recognising: Self.text("llama2"), beginningText: "", endText: "")
        let error = #expect(throws: PVITError.self) {
            try chat.render([ChatMessage(.user, "a"), ChatMessage(.user, "b")])
        }
        #expect(error?.what.contains("user and assistant must take turns") == true)
    }
}
