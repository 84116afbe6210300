import Storage
import SystemPackage

extension PVITError.Code {
    /// A file beside the weights is malformed.
    package static let badSideFile = Self("checkpoint.side-file", .badData)
}

/// The small files that go with a checkpoint's weights: configuration and tokenizer.
package struct SideFiles: Sendable {
    /// The architecture and its sizes.
    package static let config = "config.json"
    /// Defaults for sampling.
    package static let generationConfig = "generation_config.json"
    /// The tokenizer of the `tokenizers` library.
    package static let tokenizerJSON = "tokenizer.json"
    /// The tokenizer of the `sentencepiece` library.
    package static let sentencePieceModel = "tokenizer.model"
    /// The tokenizer's options, often with the conversation template.
    package static let tokenizerConfig = "tokenizer_config.json"
    /// The texts of the special tokens.
    package static let specialTokensMap = "special_tokens_map.json"
    /// Tokens added to a SentencePiece vocabulary.
    package static let addedTokens = "added_tokens.json"
    /// The conversation template as a file of its own.
    package static let chatTemplate = "chat_template.jinja"
    /// The conversation template as the member of a JSON file, as processors of images save it.
    package static let chatTemplateJSON = "chat_template.json"

    /// How images are prepared for a vision model. Not copied into outputs.
    package static let preprocessorConfig = "preprocessor_config.json"

    /// The names of all files that are copied into outputs.
    package static let names = [
        config, generationConfig, tokenizerJSON, sentencePieceModel, tokenizerConfig, specialTokensMap, addedTokens,
        chatTemplate, chatTemplateJSON,
    ]
    /// The names of the tokenizer's files.
    package static let tokenizerNames = [
        tokenizerJSON, sentencePieceModel, tokenizerConfig, specialTokensMap, addedTokens, chatTemplate,
        chatTemplateJSON,
    ]

    /// The largest supported size of such a file, in bytes.
    static let maximumByteCount = 256 << 20
    private var contents: [String: [UInt8]]

    /// Creates a set of files from their contents by name.
    package init(_ contents: [String: [UInt8]] = [:]) { self.contents = contents }

    /// Reads the files that are in `folder`.
    ///
    /// - Parameter names: Which files; by default `names`.
    /// - Throws: `checkpoint.side-file` for one that is too large, `checkpoint.lfs-pointer`, or a `file.*` error.
    package init(in folder: FilePath, names: [String] = Self.names) throws {
        contents = [:]
        let present = Set(try folderEntries(folder))
        for name in names where present.contains(name) {
            contents[name] = try Self.read(folder.appending(fileNamed: name))
        }
    }

    /// The content of a file, or nil if it is absent.
    package subscript(name: String) -> [UInt8]? {
        get { contents[name] }
        set { contents[name] = newValue }
    }

    /// The names of the present files, in a fixed order.
    package var presentNames: [String] { Self.names.filter { contents[$0] != nil } }

    /// A file as JSON, or nil if it is absent.
    ///
    /// - Throws: A JSON error that names the file.
    package func json(_ name: String) throws -> JSONValue? {
        guard let bytes = contents[name] else { return nil }
        do {
            return try JSONValue(parsing: bytes, dialect: .python)
        } catch let error as PVITError {
            throw error.located(file: FilePath(name))
        }
    }

    /// A file as a JSON object, or nil if it is absent.
    ///
    /// - Throws: A JSON error, or `checkpoint.side-file` when the file holds another kind of value.
    package func object(_ name: String) throws -> JSONObject? {
        guard let value = try json(name) else { return nil }
        guard let object = value.object else {
            throw PVITError(.badSideFile, "this is not a JSON object", file: FilePath(name))
        }
        return object
    }

    /// Puts the folder in front of a side file's bare name in an error.
    static func located(_ error: PVITError, in folder: FilePath) -> PVITError {
        guard let name = error.file, names.contains(name) else { return error }
        var located = error
        located.file = folder.appending(fileNamed: name).text
        return located
    }

    static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        guard file.byteCount <= maximumByteCount else {
            throw PVITError(
                .badSideFile, "the file has \(ByteCount(file.byteCount)), which is too large", file: path)
        }
        return try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
    }
}
