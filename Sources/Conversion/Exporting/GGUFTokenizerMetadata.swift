import Checkpoints
import Storage
import Tokenization

extension PVITError.Code {
    /// The tokenizer cannot be written in the other format.
    public static let exportTokenizer = Self("export.tokenizer", .badData)
}

/// The tokenizer of a checkpoint as the metadata of a GGUF file.
struct GGUFTokenizerMetadata {
    /// Keys and values.
    let pairs: [(key: String, value: GGUFValue)]
    /// What of the tokenizer the file has no place for, a sentence for each.
    let notes: [String]

    /// Reads the tokenizer's files: tokenizer.model where there is one, else tokenizer.json. A checkpoint without
    /// either gives no pairs but `tokenizer.ggml.model` = `none`.
    ///
    /// - Parameter vocabulary: The number of rows of the embeddings, which the table of tokens is filled up to.
    /// - Throws: `export.tokenizer`, `tokenizer.invalid`, JSON errors.
    init(of checkpoint: Checkpoint, vocabulary: Int) throws {
        let files = checkpoint.sideFiles
        let tokenizerFiles = try TokenizerFiles(of: files)
        let config = try files.object(SideFiles.tokenizerConfig) ?? [:]
        let table: TokenTableForGGUF
        if let model = files[SideFiles.sentencePieceModel] {
            table = try SentencePieceExport.table(model, tokenizerFiles, limit: vocabulary)
        } else if let json = try files.object(SideFiles.tokenizerJSON) {
            table = try BytePairExport.table(json, tokenizerFiles, limit: vocabulary)
        } else {
            notes = []
            pairs = [("tokenizer.ggml.model", .string("none"))]
            return
        }
        var tokens = table.tokens
        while tokens.count < vocabulary {
            tokens.append(TokenTableForGGUF.Token(text: "[PAD\(tokens.count)]", score: -10000, kind: .unused))
        }
        var pairs = table.head
        pairs.append(("tokenizer.ggml.tokens", .strings(tokens.map(\.text))))
        if table.hasScores { pairs.append(("tokenizer.ggml.scores", .f32s(tokens.map(\.score)))) }
        pairs.append(("tokenizer.ggml.token_type", .i32s(tokens.map(\.kind.rawValue))))
        pairs += table.tail
        pairs += try Self.roles(tokens, checkpoint, config, table.defaultRoles)
        pairs.append(("tokenizer.ggml.add_bos_token", .bool(config["add_bos_token"]?.bool ?? table.addsBeginning)))
        pairs.append(("tokenizer.ggml.add_eos_token", .bool(config["add_eos_token"]?.bool ?? table.addsEnd)))
        if let template = try files.chatTemplate() {
            pairs.append(("tokenizer.chat_template", .string(template)))
        }
        self.pairs = pairs
        notes = table.notes
    }

    /// The ids of the tokens with a role: by their texts in tokenizer_config.json or special_tokens_map.json, else by
    /// their ids in config.json. An empty text says that the tokenizer's own ids count before those.
    private static func roles(
        _ tokens: [TokenTableForGGUF.Token], _ checkpoint: Checkpoint, _ config: JSONObject, _ defaults: [String: Int]
    ) throws -> [(key: String, value: GGUFValue)] {
        var idOfText: [[UInt8]: Int] = [:]
        for (id, token) in tokens.enumerated() where token.kind != .unused { idOfText[Array(token.text.utf8)] = id }
        let map = try checkpoint.sideFiles.object(SideFiles.specialTokensMap) ?? [:]
        let names = [
            ("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("sep", "seperator"), ("pad", "padding"),
            ("cls", "cls"), ("mask", "mask"),
        ]
        return names.compactMap { name, key in
            func text(_ entry: JSONValue?) -> String? { entry?.string ?? entry?["content"]?.string }
            let texts = [config, map].compactMap { text($0["\(name)_token"]) }
            let number = checkpoint.config?["\(name)_token_id"]
            let configured = number?.integer ?? number?.array?.first?.integer
            let fallbacks = texts.contains("") ? [defaults[name], configured] : [configured, defaults[name]]
            let id =
                texts.first { !$0.isEmpty }.flatMap { idOfText[Array($0.utf8)] }
                ?? fallbacks.compactMap(\.self).first
            guard let id, tokens.indices.contains(id) else { return nil }
            return ("tokenizer.ggml.\(key)_token_id", .u32(UInt32(id)))
        }
    }
}

/// What the two kinds of tokenizers have in common in a GGUF file.
struct TokenTableForGGUF {
    /// The types of tokens (`llama_token_type` of llama.h).
    enum Kind: Int32 {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    struct Token {
        var text: String
        var score: Float = 0
        var kind: Kind
    }

    /// The tokens; the place is the id.
    private(set) var tokens: [Token] = []
    /// The number of rows of the embeddings.
    let limit: Int
    /// Whether the scores mean something.
    let hasScores: Bool
    /// What comes before the tables.
    let head: [(key: String, value: GGUFValue)]
    /// What comes behind the tables.
    var tail: [(key: String, value: GGUFValue)] = []
    /// Ids of roles that no file names.
    var defaultRoles: [String: Int] = [:]
    /// Whether the token that begins a text is put in front of it, unless tokenizer_config.json says otherwise.
    var addsBeginning = false
    /// Whether the token that ends a text is put behind it.
    var addsEnd = false
    /// Settings that have no place in the file, a sentence for each.
    var settingNotes: [String] = []
    /// Tokens without a row in the embeddings, by their ids.
    private var leftOut: [Int: String] = [:]

    /// Creates an empty table.
    init(limit: Int, hasScores: Bool, head: [(key: String, value: GGUFValue)]) {
        self.limit = limit
        self.hasScores = hasScores
        self.head = head
    }

    /// What of the tokenizer has no place in the file, a sentence for each.
    var notes: [String] {
        guard !leftOut.isEmpty else { return settingNotes }
        let texts = leftOut.sorted { $0.key < $1.key }.map { "\"\($0.value)\" (\($0.key))" }
        let list = texts.prefix(8).joined(separator: ", ") + (texts.count > 8 ? " and \(texts.count - 8) more" : "")
        return ["tokens without a row in the embeddings: \(list)"] + settingNotes
    }

    /// Puts a token in its place. Gaps are filled with tokens that are never used; added tokens for which the
    /// embeddings have no row are left out, as by llama.cpp's converter.
    ///
    /// - Throws: `export.tokenizer` for another token without a row.
    mutating func put(_ token: Token, at id: Int) throws {
        guard id < limit else {
            guard token.kind == .normal else {
                leftOut[id] = token.text
                return
            }
            throw PVITError(
                .exportTokenizer, "the token \"\(token.text)\" has the id \(id), but the embeddings have \(limit) rows",
                remedy: "a GGUF file needs a row for each token; export the model with the tokenizer that belongs to it"
            )
        }
        while tokens.count <= id {
            tokens.append(Token(text: "[PAD\(tokens.count)]", score: -10000, kind: .unused))
        }
        tokens[id] = token
    }
}
