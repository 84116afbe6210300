import Storage
import Tokenization

/// The tokenizer of a GGUF file, converted to the files of `transformers`.
struct GGUFTokenizer {
    /// The texts of the tokens; the index is the id.
    let tokens: [String]
    /// The type of each token.
    let kinds: [PieceKind]
    private let file: GGUFFile

    /// Reads the tables of tokens; nil if the file has no tokenizer.
    ///
    /// - Throws: `gguf.tokenizer` for tables that do not match, `gguf.metadata`.
    init?(_ file: GGUFFile) throws {
        guard let model = try file.string("tokenizer.ggml.model"), model != "none", model != "no_vocab" else {
            return nil
        }
        guard let tokens = try file.strings("tokenizer.ggml.tokens") else {
            throw PVITError(.ggufTokenizer, "the file has a tokenizer without tokens", file: file.path)
        }
        self.file = file
        var kinds: [PieceKind]
        if let types = try file.integers("tokenizer.ggml.token_type") {
            guard types.count == tokens.count else {
                throw Self.failure(file, "\(tokens.count) tokens have \(types.count) types")
            }
            kinds = try types.enumerated().map { id, type in
                // Old files have 0, "undefined", for what needs no distinction.
                guard let kind = type == 0 ? .normal : PieceKind(rawValue: type) else {
                    throw Self.failure(file, "token \(id) has the unknown type \(type)")
                }
                return kind
            }
        } else {
            kinds = Array(repeating: .normal, count: tokens.count)
        }
        var texts = tokens
        try Self.nameFillers(&texts, &kinds, file)
        self.tokens = texts
        self.kinds = kinds
    }

    /// Renames tokens that only fill the table: empty ones, as llama.cpp does, and unused ones whose text another token
    /// has.
    ///
    /// - Throws: `gguf.tokenizer` for two tokens in use with one text.
    private static func nameFillers(_ tokens: inout [String], _ kinds: inout [PieceKind], _ file: GGUFFile) throws {
        var idOfText: [[UInt8]: Int] = [:]
        for id in tokens.indices {
            if tokens[id].isEmpty {
                tokens[id] = "[EMPTY_\(id)]"
                kinds[id] = .unused
            }
            guard let other = idOfText[Array(tokens[id].utf8)] else {
                idOfText[Array(tokens[id].utf8)] = id
                continue
            }
            let text = tokens[id]
            guard let filler = [id, other].first(where: { kinds[$0] == .unused }) else {
                throw failure(file, "tokens \(other) and \(id) are both \"\(text.prefix(40))\"")
            }
            idOfText[Array(text.utf8)] = filler == id ? other : id
            tokens[filler] = "[UNUSED_\(filler)]"
            if let third = idOfText.updateValue(filler, forKey: Array(tokens[filler].utf8)) {
                throw failure(file, "tokens \(third) and \(filler) are both \"\(tokens[filler])\"")
            }
        }
    }

    /// The tokenizer's files.
    ///
    /// - Throws: `gguf.unsupported-tokenizer` naming a kind that is not supported, `gguf.tokenizer`, `gguf.metadata`.
    func sideFiles(contextLength: Int) throws -> SideFiles {
        var files = SideFiles()
        let model = try file.string("tokenizer.ggml.model") ?? ""
        var config: JSONObject
        switch model {
        case "gpt2":
            let bytePair = try GGUFBytePairTokenizer(self, file)
            files[SideFiles.tokenizerJSON] = bytePair.tokenizerJSON.encoded()
            config = bytePair.config
        case "llama":
            let sentencePiece = try GGUFSentencePieceTokenizer(self, file)
            files[SideFiles.sentencePieceModel] = sentencePiece.modelProto
            config = sentencePiece.config
        default:
            throw PVITError(
                .ggufUnsupportedTokenizer, "tokenizers of the kind \"\(model)\" are not supported", file: file.path,
                remedy: "only \"gpt2\" and \"llama\" are")
        }
        config["model_max_length"] = .integer(contextLength)
        config["clean_up_tokenization_spaces"] = false
        if let template = try file.string("tokenizer.chat_template") { config["chat_template"] = .string(template) }
        files[SideFiles.tokenizerConfig] = JSONValue.object(config).encoded(indentation: 2) + [UInt8(ascii: "\n")]
        if let generation = try generationConfig() {
            files[SideFiles.generationConfig] = generation.encoded(indentation: 2) + [UInt8(ascii: "\n")]
        }
        return files
    }

    /// The ids of the EOS tokens if there are several; nil for one or none.
    private func generationConfig() throws -> JSONValue? {
        var ends: [JSONValue] = []
        for name in ["eos", "eot", "eom"] {
            if let id = try id(name), !ends.contains(.integer(id)) { ends.append(.integer(id)) }
        }
        return ends.count > 1 ? ["eos_token_id": .array(ends)] : nil
    }

    /// The id under `tokenizer.ggml.NAME_token_id`; nil if there is none, and for an unneeded token
    /// without a row in the embeddings, such as padding.
    ///
    /// - Throws: `gguf.tokenizer` if BOS or EOS has no such token.
    func id(_ name: String) throws -> Int? {
        guard let id = try file.integer("tokenizer.ggml.\(name)_token_id"), id != 0xFFFF_FFFF else { return nil }
        guard tokens.indices.contains(id) else {
            guard name == "bos" || name == "eos" else { return nil }
            throw Self.failure(file, "\(name)_token_id is \(id), but there are \(tokens.count) tokens")
        }
        return id
    }

    /// The roles that tokens have: the names in `transformers`, which adds `_token`, and those in GGUF files.
    static let roles: [(transformers: String, gguf: String)] = [
        ("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("sep", "seperator"), ("pad", "padding"), ("cls", "cls"),
        ("mask", "mask"),
    ]

    /// The tokens with a role, as members of tokenizer_config.json.
    ///
    /// - Parameter fallbacks: Ids for roles that are not in the file.
    func roles(fallbacks: [String: Int] = [:]) throws -> JSONObject {
        var roles = JSONObject()
        for role in Self.roles {
            if let id = try id(role.gguf) ?? fallbacks[role.gguf], tokens.indices.contains(id) {
                roles["\(role.transformers)_token"] = .string(tokens[id])
            }
        }
        return roles
    }

    /// An entry of `added_tokens` or `added_tokens_decoder`.
    func addedToken(_ id: Int) -> JSONObject {
        [
            "content": .string(tokens[id]), "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": .bool(kinds[id] != .userDefined && kinds[id] != .unused),
        ]
    }

    static func failure(_ file: GGUFFile, _ what: String) -> PVITError {
        PVITError(.ggufTokenizer, "the tokenizer is not valid: \(what)", file: file.path)
    }
}
