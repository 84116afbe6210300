import ArgumentParser
import PVITModel
import Storage
import SystemPackage

/// Which chat template to use.
struct ChatTemplateOption: ParsableArguments {
    @Option(
        name: .customLong("chat-template"),
        help: ArgumentHelp(
            "Use this chat template instead of the model's own: \(BuiltInTemplate.names), or a Jinja file.",
            valueName: "name|file"))
    var name: String?

    /// Uses the built-in template with this name, or else the template in this file; the model's own without a name.
    ///
    /// - Throws: `chat.template`; `file.not-found` if there is neither, and errors of reading.
    func apply(to model: LoadedModel) throws {
        guard let name else { return }
        if let builtIn = BuiltInTemplate(named: name) { return try model.useChatTemplate(builtIn.text) }
        let path = FilePath(name)
        do {
            let file = try MappedFile(path: path)
            guard file.byteCount <= ChatTemplate.maximumByteCount else {
                throw PVITError(
                    .chatTemplate,
                    "the file is too large for a chat template: the limit is \(ChatTemplate.maximumByteCount) bytes")
            }
            let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw PVITError(.chatTemplate, "the chat template is not UTF-8 text")
            }
            try model.useChatTemplate(text)
        } catch let error as PVITError {
            guard error.code == .fileNotFound else { throw error.located(file: path) }
            throw PVITError(
                .fileNotFound, "there is neither a built-in chat template nor a file of this name", file: path,
                remedy: "name a Jinja file, or one of the built-in templates \(BuiltInTemplate.names)")
        }
    }
}
