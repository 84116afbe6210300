import Storage

/// The tokenizer of a GGUF file, and the files that `transformers` would have in its place.
struct GGUFTokenizer {
    /// What a token is (`llama_token_type` of llama.h, which are SentencePiece's types).
    enum Kind: Int, Sendable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// The texts of the tokens; the place is the id.
    let tokens: [String]
    /// What each token is.
    let kinds: [Kind]
    private let file: GGUFFile

    /// Reads the tables of tokens. Returns nil when the file has no tokenizer.
    ///
    /// - Throws: `gguf.tokenizer` for tables that do not belong together, `gguf.metadata`.
    init?(_ file: GGUFFile) throws {
        guard let model = try file.string("tokenizer.ggml.model"), model != "none", model != "no_vocab" else {
            return nil
        }
        guard let tokens = try file.strings("tokenizer.ggml.tokens") else {
            throw PVITError(.ggufTokenizer, "the file has a tokenizer without tokens", file: file.path)
        }
        self.file = file
        var kinds: [Kind]
        if let types = try file.integers("tokenizer.ggml.token_type") {
            guard types.count == tokens.count else {
                throw Self.failure(file, "\(tokens.count) tokens have \(types.count) types")
            }
            kinds = try types.enumerated().map { id, type in
                // Old files have 0, "undefined", for what needs no distinction.
                guard let kind = type == 0 ? .normal : Kind(rawValue: type) else {
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

    /// Gives names of their own to tokens that only fill the table: empty ones, as llama.cpp does, and unused ones
    /// whose text another token has.
    ///
    /// - Throws: `gguf.tokenizer` for two tokens in use with one text.
    private static func nameFillers(_ tokens: inout [String], _ kinds: inout [Kind], _ file: GGUFFile) throws {
        var places: [[UInt8]: Int] = [:]
        for id in tokens.indices {
            if tokens[id].isEmpty {
                tokens[id] = "[EMPTY_\(id)]"
                kinds[id] = .unused
            }
            guard let other = places[Array(tokens[id].utf8)] else {
                places[Array(tokens[id].utf8)] = id
                continue
            }
            let text = tokens[id]
            guard let filler = [id, other].first(where: { kinds[$0] == .unused }) else {
                throw failure(file, "tokens \(other) and \(id) are both \"\(text.prefix(40))\"")
            }
            places[Array(text.utf8)] = filler == id ? other : id
            tokens[filler] = "[UNUSED_\(filler)]"
            if let third = places.updateValue(filler, forKey: Array(tokens[filler].utf8)) {
                throw failure(file, "tokens \(third) and \(filler) are both \"\(tokens[filler])\"")
            }
        }
    }

    /// The files that together make the tokenizer.
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

    /// The ids that end a text, where there are several; nil for one or none.
    private func generationConfig() throws -> JSONValue? {
        var ends: [JSONValue] = []
        for name in ["eos", "eot", "eom"] {
            if let id = try id(name), !ends.contains(.integer(id)) { ends.append(.integer(id)) }
        }
        return ends.count > 1 ? ["eos_token_id": .array(ends)] : nil
    }

    /// The id under `tokenizer.ggml.NAME_token_id`; nil when there is none, and for a token that the embeddings have no
    /// row for and texts do not need, such as padding.
    ///
    /// - Throws: `gguf.tokenizer` when there is no such token although texts begin or end with it.
    func id(_ name: String) throws -> Int? {
        guard let id = try file.integer("tokenizer.ggml.\(name)_token_id"), id != 0xFFFF_FFFF else { return nil }
        guard tokens.indices.contains(id) else {
            guard name == "bos" || name == "eos" else { return nil }
            throw Self.failure(file, "\(name)_token_id is \(id), but there are \(tokens.count) tokens")
        }
        return id
    }

    /// The names in `transformers` of the roles that tokens have, with the names here.
    static let roles: [(transformers: String, gguf: String)] = [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("sep_token", "seperator"),
        ("pad_token", "padding"), ("cls_token", "cls"), ("mask_token", "mask"),
    ]

    /// The tokens that have a role, as tokenizer_config.json has them.
    ///
    /// - Parameter fallbacks: Ids for roles that the file does not give.
    func roles(fallbacks: [String: Int] = [:]) throws -> JSONObject {
        var roles = JSONObject()
        for role in Self.roles {
            if let id = try id(role.gguf) ?? fallbacks[role.gguf], tokens.indices.contains(id) {
                roles[role.transformers] = .string(tokens[id])
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
