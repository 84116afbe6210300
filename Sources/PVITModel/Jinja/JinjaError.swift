import Storage

/// Errors in parsing and rendering a template.
enum JinjaError {
    private static let remedy =
        "choose another template with --chat-template NAME|FILE, or use --raw to continue a text without a template"
    /// The maximum length of a message, because a template can raise one of any length.
    private static let maximumLength = 400

    static func syntax(_ problem: String) -> PVITError {
        PVITError(.chatTemplate, "the chat template cannot be parsed: \(shortened(problem))", remedy: remedy)
    }

    static func runtime(_ problem: String) -> PVITError {
        PVITError(.chatTemplate, "the chat template failed: \(shortened(problem))", remedy: remedy)
    }

    private static func shortened(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(maximumLength + 1)
        guard scalars.count > maximumLength else { return text }
        return String(String.UnicodeScalarView(scalars.dropLast())) + "…"
    }
}

extension PVITError.Code {
    /// A chat template is missing, unknown or cannot be rendered.
    public static let chatTemplate = Self("chat.template", .badData)
}
