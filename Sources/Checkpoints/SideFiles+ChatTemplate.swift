import Storage
import SystemPackage

extension SideFiles {
    /// The names of the files that only hold a conversation template.
    package static let chatTemplateNames = [chatTemplate, chatTemplateJSON]

    /// The Jinja text of the conversation template; nil if there is none.
    ///
    /// `chat_template.jinja` comes first, then `chat_template.json`, then `tokenizer_config.json`, whose template is
    /// often outdated when another file has one. A JSON file has one template or a list of named ones; of a list, the
    /// one called `default` is used, or else the first.
    ///
    /// - Throws: JSON errors; `checkpoint.side-file` for a template that is not UTF-8.
    package func chatTemplate() throws -> String? {
        if let bytes = self[Self.chatTemplate] {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw PVITError(.badSideFile, "the template is not UTF-8", file: FilePath(Self.chatTemplate))
            }
            return text
        }
        for name in [Self.chatTemplateJSON, Self.tokenizerConfig] {
            if let text = Self.text(of: try json(name)?[Self.templateKey]) { return text }
        }
        return nil
    }

    /// The same files, all with the template that is used here, so that every program uses the same template.
    ///
    /// - Throws: As `chatTemplate`.
    package func agreeingOnChatTemplate() throws -> SideFiles {
        guard let text = try chatTemplate() else { return self }
        var files = self
        for name in [Self.chatTemplateJSON, Self.tokenizerConfig] {
            guard var object = try json(name)?.object, let member = object[Self.templateKey],
                let found = Self.text(of: member), found != text
            else { continue }
            object[Self.templateKey] = Self.replacing(member, with: text)
            files[name] = JSONValue.object(object).encoded(indentation: 2) + [UInt8(ascii: "\n")]
        }
        return files
    }

    private static let templateKey = "chat_template"

    /// The index of the template that is used in a list of named ones.
    private static func templateIndex(in list: [JSONValue]) -> Int? {
        list.firstIndex { $0["name"]?.string == "default" } ?? list.indices.first
    }

    private static func text(of member: JSONValue?) -> String? {
        if let text = member?.string { return text }
        guard let list = member?.array, let index = templateIndex(in: list) else { return nil }
        return list[index]["template"]?.string
    }

    private static func replacing(_ member: JSONValue, with text: String) -> JSONValue {
        guard var list = member.array, let index = templateIndex(in: list), var entry = list[index].object else {
            return .string(text)
        }
        entry["template"] = .string(text)
        list[index] = .object(entry)
        return .array(list)
    }
}
