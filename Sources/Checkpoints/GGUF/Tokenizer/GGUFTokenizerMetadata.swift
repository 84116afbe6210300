import Storage
import Tokenization

extension PVITError.Code {
    /// The tokenizer cannot be written in the other format.
    package static let exportTokenizer = Self("export.tokenizer", .badData)
}

/// Converts the tokenizer of a checkpoint to the metadata of a GGUF file.
struct GGUFTokenizerMetadata {
    /// Keys and values.
    let pairs: [(key: String, value: GGUFValue)]
    /// The properties of the tokenizer that the file cannot express, a sentence for each.
    let notes: [String]

    /// Reads tokenizer.model if there is one, else tokenizer.json. A checkpoint without either gives only
    /// `tokenizer.ggml.model` = `none`.
    ///
    /// - Parameter vocabulary: The number of rows of the embeddings, to which the table of tokens is padded.
    /// - Throws: `export.tokenizer`, `tokenizer.invalid`, JSON errors.
    init(of checkpoint: Checkpoint, vocabulary: Int) throws {
        let files = checkpoint.sideFiles
        let tokenizerFiles = try TokenizerFiles(of: files)
        let config = try files.object(SideFiles.tokenizerConfig) ?? [:]
        let table: GGUFTokenTable
        if let model = files[SideFiles.sentencePieceModel] {
            table = try GGUFSentencePieceTable.make(model, tokenizerFiles, limit: vocabulary)
        } else if let json = try files.object(SideFiles.tokenizerJSON) {
            table = try GGUFBytePairTable.make(json, tokenizerFiles, limit: vocabulary)
        } else {
            notes = []
            pairs = [("tokenizer.ggml.model", .string("none"))]
            return
        }
        var tokens = table.tokens
        while tokens.count < vocabulary {
            tokens.append(GGUFTokenTable.Token(text: "[PAD\(tokens.count)]", score: -10000, kind: .unused))
        }
        var pairs = table.head
        pairs.append(("tokenizer.ggml.tokens", .strings(tokens.map(\.text))))
        if table.hasScores { pairs.append(("tokenizer.ggml.scores", .f32s(tokens.map(\.score)))) }
        pairs.append(("tokenizer.ggml.token_type", .i32s(tokens.map { Int32($0.kind.rawValue) })))
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
    /// their ids in config.json. With an empty text, the tokenizer's own ids are used before those.
    private static func roles(
        _ tokens: [GGUFTokenTable.Token], _ checkpoint: Checkpoint, _ config: JSONObject, _ defaults: [String: Int]
    ) throws -> [(key: String, value: GGUFValue)] {
        var idOfText: [[UInt8]: Int] = [:]
        for (id, token) in tokens.enumerated() where token.kind != .unused { idOfText[Array(token.text.utf8)] = id }
        let map = try checkpoint.sideFiles.object(SideFiles.specialTokensMap) ?? [:]
        return GGUFTokenizer.roles.compactMap { name, key in
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
