import Checkpoints
import Storage
import Testing

@Suite("Which conversation template a checkpoint has")
struct ChatTemplateFilesTests {
    private func files(jinja: String? = nil, json: JSONValue? = nil, config: JSONValue? = nil) -> SideFiles {
        var files = SideFiles()
        files[SideFiles.chatTemplate] = jinja.map { Array($0.utf8) }
        files[SideFiles.chatTemplateJSON] = json.map { JSONValue.object(["chat_template": $0]).encoded() }
        files[SideFiles.tokenizerConfig] = config.map { JSONValue.object(["chat_template": $0]).encoded() }
        return files
    }

    private static let named: JSONValue = [
        ["name": "tool_use", "template": "tools"], ["name": "default", "template": "list"],
    ]

    @Test("the file of its own comes first, then the JSON file, then the tokenizer's configuration")
    func precedence() throws {
        #expect(try files(jinja: "a", json: "b", config: "c").chatTemplate() == "a")
        #expect(try files(json: "b", config: "c").chatTemplate() == "b")
        #expect(try files(config: "c").chatTemplate() == "c")
        #expect(try files(config: Self.named).chatTemplate() == "list")
        #expect(try files(json: [["name": "rag", "template": "only"]]).chatTemplate() == "only")
        #expect(try files().chatTemplate() == nil && files(config: 7).chatTemplate() == nil)
    }

    @Test("a template that is not UTF-8 is an error that names the file")
    func notUTF8() {
        let files = SideFiles([SideFiles.chatTemplate: [0xFF]])
        let error = #expect(throws: PVITError.self) { try files.chatTemplate() }
        #expect(error?.file == SideFiles.chatTemplate)
    }

    @Test("all written files have the template that is used")
    func agreement() throws {
        let agreeing = try files(jinja: "new", json: "old", config: Self.named).agreeingOnChatTemplate()
        #expect(try agreeing.json(SideFiles.chatTemplateJSON)?["chat_template"] == "new")
        let list = try agreeing.json(SideFiles.tokenizerConfig)?["chat_template"]?.array
        #expect(list?.map { $0["template"]?.string } == ["tools", "new"])
        let outdated = try files(jinja: "new", config: "old").agreeingOnChatTemplate()
        #expect(try outdated.json(SideFiles.tokenizerConfig)?["chat_template"] == "new")
    }

    @Test("files that agree already keep their bytes")
    func unchanged() throws {
        var same = files(jinja: "same")
        same[SideFiles.tokenizerConfig] = Array(#"{ "chat_template" : "same" }"#.utf8)
        #expect(try same.agreeingOnChatTemplate()[SideFiles.tokenizerConfig] == same[SideFiles.tokenizerConfig])
    }
}
