import PVITModel
import Storage
import SystemPackage

extension LoadedModel {
    /// Uses the built-in template of a name, or the one in a file.
    ///
    /// - Throws: `chat.template`; `file.not-found` when there is neither, and errors of reading.
    func useChatTemplate(namedOrIn name: String) throws {
        if let builtIn = BuiltInTemplate(rawValue: name.lowercased()) { return try useChatTemplate(builtIn.text) }
        let path = FilePath(name)
        do {
            let file = try MappedFile(path: path)
            guard file.byteCount <= ChatTemplate.maximumByteCount else {
                throw PVITError(
                    .chatTemplate,
                    "the file is longer than a chat template may be, \(ChatTemplate.maximumByteCount) bytes")
            }
            let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw PVITError(.chatTemplate, "the chat template is not text in UTF-8")
            }
            try useChatTemplate(text)
        } catch let error as PVITError {
            guard error.code == .fileNotFound else { throw error.located(file: path) }
            throw PVITError(
                .fileNotFound, "there is no built-in chat template and no file of this name", file: path,
                remedy: "built-in ones are \(BuiltInTemplate.names); a file has the template in Jinja")
        }
    }
}
