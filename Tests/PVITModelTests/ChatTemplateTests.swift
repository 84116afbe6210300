import CheckpointTestSupport
import Foundation
import Storage
import Testing
import Tokenization

@testable import PVITModel

@Suite("Chat templates")
struct ChatTemplateTests {
    static let tokens = ["bos_token": "<s>", "eos_token": "</s>"]

    static func fixture(_ name: String, _ type: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/jinja/\(name)", withExtension: type))
        return try String(contentsOf: url, encoding: .utf8)
    }

    static func template(_ name: String) throws -> String { try fixture("templates/\(name)", "jinja") }

    static func expected() throws -> JSONObject {
        try #require(try JSONValue(parsing: Array(fixture("conversations.expected", "json").utf8)).object)
    }

    static func conversations() throws -> [[ChatMessage]] {
        let list = try JSONValue(parsing: Array(fixture("conversations", "json").utf8)).array ?? []
        return try list.map { conversation in
            try (conversation.array ?? []).map { message in
                let role = try #require(message["role"]?.string.flatMap(ChatMessage.Role.init))
                return ChatMessage(role, try #require(message["content"]?.string))
            }
        }
    }

    /// Replaces date formats in braces by today's date.
    private static func dated(_ text: String) throws -> String {
        var text = text
        for format in ["%d %b %Y", "%Y-%m-%d", "%B %d, %Y"] where text.contains("{\(format)}") {
            let today = try JinjaTemplate("{{ strftime_now('\(format)') }}").render([:]).text
            text = text.replacingOccurrences(of: "{\(format)}", with: today)
        }
        return text
    }

    @Test("templates of every form render as in transformers")
    func rendering() throws {
        let expected = try Self.expected()
        #expect(expected.members.count >= 46)
        let conversations = try Self.conversations()
        for member in expected.members {
            let chat = try ChatTemplate(Self.template(member.key), tokens: Self.tokens)
            let texts = try #require(member.value.array)
            #expect(texts.count == conversations.count)
            for (messages, expected) in zip(conversations, texts) {
                let text = Result { try chat.render(messages).text }
                guard let expected = try expected.string.map(Self.dated) else {
                    #expect(throws: PVITError.self, "\(member.key)") { try text.get() }
                    continue
                }
                let found = try? text.get()
                #expect(found.map { Array($0.utf8) } == Array(expected.utf8), "\(member.key): \(text), not \(expected)")
            }
        }
    }

    @Test("SmolLM2's template adds its own instructions unless the conversation has some")
    func smolLM2() throws {
        let chat = try ChatTemplate(
            Self.template("chatML-smollm2"), tokens: ["bos_token": "<|im_start|>", "eos_token": "<|im_end|>"])
        #expect(
            try chat.render([ChatMessage(.user, "Hi")]).text
                == "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
                + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        #expect(chat.stopTexts == ["<|im_end|>"])
    }

    @Test("Vicuna's conversation has PVIT's spacing")
    func vicuna() throws {
        let system =
            "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
            + "detailed, and polite answers to the user's questions."
        let chat = try ChatTemplate(BuiltInTemplate.vicuna.text, tokens: Self.tokens)
        #expect(
            try chat.render([ChatMessage(.user, "Describe the water cycle in one sentence.")]).text
                == "<s>\(system) USER: Describe the water cycle in one sentence. ASSISTANT:")
        let turns = [ChatMessage(.user, "One?"), ChatMessage(.assistant, "Two."), ChatMessage(.user, "Three?")]
        #expect(try chat.render(turns).text == "<s>\(system) USER: One? ASSISTANT: Two.</s>USER: Three? ASSISTANT:")
        #expect(try chat.render([ChatMessage(.system, "Rules."), turns[0]]).text == "<s>Rules. USER: One? ASSISTANT:")
        #expect(throws: PVITError.self) { try chat.render([turns[0], ChatMessage(.system, "Late.")]) }
    }

    @Test(
        "a text that is not a template gives an error with a remedy", arguments: ["{% if %}", "{{ a", "{% x %}"])
    func unreadable(_ text: String) {
        let error = #expect(throws: PVITError.self) { try ChatTemplate(text, tokens: [:]) }
        #expect(error?.code == .chatTemplate)
        #expect(error?.remedy?.contains("--raw") == true && error?.remedy?.contains("--chat-template") == true)
    }

    @Test("a template that rejects a conversation gives an error with its message")
    func refusal() throws {
        let chat = try ChatTemplate(Self.template("llama2"), tokens: ["bos_token": "", "eos_token": ""])
        let error = #expect(throws: PVITError.self) {
            try chat.render([ChatMessage(.user, "a"), ChatMessage(.user, "b")])
        }
        #expect(error?.what.contains("user and assistant must take turns") == true)
    }

    @Test("the tag that a template writes after an answer ends the answer, whatever its family")
    func turnEnds() throws {
        let ends = [
            "<|end|>": "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}<|end|>\n{% endfor %}",
            "<end_of_turn>":
                "{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}",
            "</s>": "{% for m in messages %}{{ m.content.split('</think>')[-1] }} {{ eos_token }}{% endfor %}",
        ]
        for (end, template) in ends {
            let chat = try ChatTemplate(template, tokens: Self.tokens)
            #expect(chat.stopTexts == [end])
        }
        for template in [
            "{% for m in messages %}{{ m.content }}\n{% endfor %}", "{{ raise_exception('no') }}",
            "{{ messages[0].content }}",
        ] {
            #expect(try ChatTemplate(template, tokens: Self.tokens).stopTexts.isEmpty)
        }
    }

    @Test("built-in templates render a conversation in order", arguments: BuiltInTemplate.allCases)
    func builtIn(_ builtIn: BuiltInTemplate) throws {
        let chat = try ChatTemplate(builtIn.text, tokens: Self.tokens)
        let text = try chat.render([
            ChatMessage(.system, "Rules."), ChatMessage(.user, "One?"), ChatMessage(.assistant, "Two."),
            ChatMessage(.user, "Three?"),
        ]).text
        let positions = try ["Rules.", "One?", "Two.", "Three?"].map {
            try #require(text.firstRange(of: $0)).lowerBound
        }
        #expect(positions == positions.sorted())
        #expect(chat.stopTexts.count == 1 || builtIn == .alpaca)
    }

    @Test("code points keep their origin, message or template, through every operation")
    func origins() throws {
        func contents(_ template: String, _ content: String) throws -> String {
            let chat = try ChatTemplate(template, tokens: Self.tokens)
            return chat.marked(content)
        }
        for (template, content, marked) in [
            ("<|user|>{{ messages[0].content }}</s>", "a</s>", "<|user|>[a</s>]</s>"),
            ("{{ '<' + messages[0]['content'] | trim ~ '>' }}", " x ", "<[x]>"),
            ("{{ messages[0].content.split('b') | join('|') }}", "abc", "[a]|[c]"),
            ("{{ messages[0].content[1:] | upper }}{{ messages[0].content[::-1] }}", "abc", "[BCcba]"),
            ("{{ messages[0].content.replace('b', '--') }}", "abc", "[a]--[c]"),
            ("{{ 'a%sb' % messages[0].content }}{{ '{}!'.format(messages[0].content) }}", "x", "a[x]b[x]!"),
            ("{{ messages[0].content | tojson }}{{ [messages[0].content] }}", "\"\n", "\"[\\\"\\n]\"['[\"\\n]']"),
            ("{% for c in messages[0].content %}{{ c }}.{% endfor %}", "ab", "[a].[b]."),
            ("{% set x %}<{{ messages[0].content | indent }}>{% endset %}{{ x }}", "a\nb", "<[a]\n    [b]>"),
            (
                "{% macro m(x) %}{{ x * 2 }}!{% endmacro %}{{ m(messages[0].content) | replace('!', '') }}", "ab",
                "[abab]"
            ),
            ("{{ 'yes' if '</s>' in messages[0].content and messages[0].content == '</s>' }}", "</s>", "yes"),
            ("{{ messages | map(attribute='content') | join | title }}{{ messages[0].role }}", "ab", "[Ab]user"),
            ("{{ dict(a=messages[0].content).a.strip('x') | center(4) }}", "xax", " [a]  "),
        ] {
            #expect(try contents(template, content) == marked, "\(template)")
        }
    }
}

extension ChatTemplate {
    /// Renders a conversation of one message, with brackets around what comes from the message.
    fileprivate func marked(_ content: String) -> String {
        let text = try? render([ChatMessage(.user, content)])
        return (text?.segments ?? []).map { $0.parsesSpecial ? $0.text : "[\($0.text)]" }.joined()
    }
}
