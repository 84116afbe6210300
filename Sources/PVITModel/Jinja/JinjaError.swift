import Storage

/// Ways in which a template cannot be rendered.
enum JinjaError {
    private static let remedy =
        "give another template with --chat-template NAME|FILE, or use --raw to give the model a text as it is"
    /// A message that a template makes may be of any length.
    private static let maximumLength = 400

    static func syntax(_ what: String) -> PVITError {
        PVITError(.chatTemplate, "the chat template cannot be read: \(shortened(what))", remedy: remedy)
    }

    static func runtime(_ what: String) -> PVITError {
        PVITError(.chatTemplate, "the chat template failed: \(shortened(what))", remedy: remedy)
    }

    private static func shortened(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(maximumLength + 1)
        guard scalars.count > maximumLength else { return text }
        return String(String.UnicodeScalarView(scalars.dropLast())) + "…"
    }
}

extension PVITError.Code {
    /// A chat template is absent, unknown or cannot be rendered.
    public static let chatTemplate = Self("chat.template", .badData)
}
