import Storage

/// A Jinja template, rendered as `transformers` renders chat templates with Jinja 3.1.
///
/// If a template uses something that is not supported, rendering fails; it never writes different text. The work of
/// rendering is bounded.
struct JinjaTemplate: Sendable {
    private let statements: [JinjaStatement]

    /// - Throws: `chat.template` if the text is not a template or uses tags that are not supported.
    init(_ text: String) throws {
        guard text.utf8.count <= JinjaBudget.templateByteCount else {
            throw JinjaError.syntax("it is longer than \(JinjaBudget.templateByteCount >> 20) MiB")
        }
        statements = try LargeStack.run { try JinjaParser.parse(text) }
    }

    /// Renders the template. Code points that come from messages are marked.
    ///
    /// - Parameters:
    ///   - variables: The variables of the template.
    ///   - messages: The value of the variable `messages`.
    ///   - work: The maximum work, apart from that for the variables.
    func render(
        _ variables: JSONObject, messages: [ChatMessage]? = nil, work: Int = JinjaBudget.work
    ) throws -> JinjaString {
        try LargeStack.run {
            var values: [String: JinjaValue] = [:]
            for member in variables.members { values[member.key] = try JinjaValue(json: member.value) }
            if let messages { values["messages"] = .list(try JinjaList(messages.map { try JinjaValue(message: $0) })) }
            let count = variables.encodedCount + (messages ?? []).reduce(0) { $0 + $1.content.unicodeScalars.count }
            let renderer = JinjaRenderer(values, JinjaBudget(inputCount: count, work: work))
            defer { renderer.release() }
            return try renderer.render(statements)
        }
    }
}

extension JSONObject {
    /// The approximate length of the object as text.
    fileprivate var encodedCount: Int { JSONValue.object(self).encoded().count }
}

extension JinjaValue {
    init(json: JSONValue) throws {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .float(value)
        case .string(let value): self = .text(value)
        case .array(let elements): self = .list(try JinjaList(elements.map { try JinjaValue(json: $0) }))
        case .object(let object):
            self = .dictionary(
                try JinjaDictionary(object.members.map { (.text($0.key), try JinjaValue(json: $0.value)) }))
        }
    }

    /// A message whose content is marked as such.
    init(message: ChatMessage) throws {
        self = .dictionary(
            try JinjaDictionary([
                (.text("role"), .text(message.role.rawValue)),
                (.text("content"), .string(JinjaString(message.content, isContent: true))),
            ]))
    }
}
