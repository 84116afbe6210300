import Storage
import Tensors

/// The tokenizer files of a checkpoint.
package struct TokenizerFiles: Sendable, Equatable {
    /// `tokenizer.json`.
    package var tokenizerJSON: [UInt8]?
    /// `tokenizer.model`.
    package var sentencePieceModel: [UInt8]?
    /// `tokenizer_config.json`.
    package var config: JSONObject?
    /// `special_tokens_map.json`.
    package var specialTokensMap: JSONObject?
    /// `added_tokens.json`.
    package var addedTokens: JSONObject?

    /// Creates a set of files.
    package init(
        tokenizerJSON: [UInt8]? = nil, sentencePieceModel: [UInt8]? = nil, config: JSONObject? = nil,
        specialTokensMap: JSONObject? = nil, addedTokens: JSONObject? = nil
    ) {
        self.tokenizerJSON = tokenizerJSON
        self.sentencePieceModel = sentencePieceModel
        self.config = config
        self.specialTokensMap = specialTokensMap
        self.addedTokens = addedTokens
    }
}

extension Tokenizer {
    /// Makes the tokenizer of a checkpoint: from tokenizer.json if there is one, else from tokenizer.model.
    ///
    /// A tokenizer.model is used as by `LlamaTokenizer` of `transformers`, in its legacy mode unless
    /// tokenizer_config.json has `"legacy": false`. With `"add_prefix_space": false` texts get no space in front, as
    /// with `LlamaTokenizerFast`, the only class that respects this setting in both modes.
    ///
    /// - Throws: `tokenizer.missing` if there is neither file; `json.invalid`, `tokenizer.invalid` for malformed files;
    ///   `tokenizer.unsupported` for features that are not implemented.
    package convenience init(files: TokenizerFiles) throws {
        if let json = files.tokenizerJSON {
            try self.init(tokenizerJSON: json, files: files)
        } else if let model = files.sentencePieceModel {
            try self.init(llamaModel: model, files: files)
        } else {
            throw PVITError(
                .missingTokenizer, "there is neither a tokenizer.json nor a tokenizer.model",
                remedy: "put the tokenizer files of the model beside its weights")
        }
    }

    /// Makes a tokenizer from a tokenizer.model alone.
    ///
    /// - Parameters:
    ///   - addedTokens: The added tokens. Their ids are those of the pieces that they equal, or follow the pieces
    ///     without a gap.
    ///   - convention: Where dummy prefixes go.
    /// - Throws: `tokenizer.invalid` or `tokenizer.unsupported`.
    package convenience init(
        sentencePieceModel: [UInt8], addedTokens: [AddedToken] = [],
        convention: SentencePieceConvention = .sentencePiece
    ) throws {
        let file = try SentencePieceFile(parsing: sentencePieceModel)
        let beginning = Self.control(file.bosPiece, in: file)
        try self.init(
            file, addedTokens: addedTokens, convention: convention,
            template: TokenizerJSON.Template(prefix: beginning.map { [$0] } ?? []), bosToken: beginning,
            eosToken: Self.control(file.eosPiece, in: file))
    }

    private static func control(_ piece: [UInt8], in file: SentencePieceFile) -> TokenID? {
        guard let id = file.pieces.number(of: piece.span), file.kinds[id] == .control else { return nil }
        return TokenID(rawValue: Int32(id))
    }

    private convenience init(
        _ file: SentencePieceFile, addedTokens: [AddedToken], convention: SentencePieceConvention,
        template: TokenizerJSON.Template, bosToken: TokenID?, eosToken: TokenID?
    ) throws {
        if [.current, .noPrefix].contains(convention), file.removesExtraWhiteSpace {
            let setting = convention == .current ? "legacy" : "add_prefix_space"
            throw PVITError.unsupportedTokenizer(
                "\"\(setting)\": false is not supported with a tokenizer.model that removes extra white space")
        }
        if let token = addedTokens.first(where: \.singleWord) {
            throw PVITError.unsupportedTokenizer(
                "the added token \"\(token.content)\" has single_word, which is not supported with tokenizer.model")
        }
        var pieces = file.pieces
        let added = try AddedVocabulary(addedTokens)
        for token in added.tokens {
            let content = Array(token.content.utf8)
            let id = Int(token.id.rawValue)
            if let piece = file.pieces.number(of: content.span), piece != id {
                throw PVITError.badTokenizer(
                    "the added token \"\(token.content)\" has the id \(id) but is piece \(piece)")
            }
            if id < file.pieces.count {
                guard file.pieces[id].elementsEqual(content) else {
                    throw PVITError.badTokenizer(
                        "the added token \"\(token.content)\" has the id \(id) of another piece")
                }
            } else {
                guard id == pieces.count else {
                    throw PVITError.badTokenizer(
                        "no token has the id \(pieces.count) although \"\(token.content)\" has \(id)")
                }
                pieces.append(content.span)
            }
        }
        self.init(
            .sentencePiece(SentencePieceModel(file), convention), pieces: pieces, added: added, template: template,
            bosToken: bosToken, eosToken: eosToken)
    }

    private convenience init(llamaModel model: [UInt8], files: TokenizerFiles) throws {
        let file = try SentencePieceFile(parsing: model)
        let names = try SpecialTokenNames(files, defaults: Self.defaultNames(file))
        let tokens = try names.tokensOfLlamaTokenizer(files) { content in
            file.pieces.number(of: content.utf8.span).map { TokenID(rawValue: Int32($0)) }
        }
        let indices = SpecialTokenNames.indices(tokens)
        func id(_ role: SpecialTokenNames.Role) throws -> TokenID? {
            try names.id(of: role) { content in indices[Array(content.utf8)].map { tokens[$0].id } }
        }
        let isLegacy = files.config?["legacy"]?.bool ?? true
        let convention: SentencePieceConvention =
            files.config?["add_prefix_space"]?.bool == false ? .noPrefix : isLegacy ? .legacy : .current
        let beginning = try id(.beginning)
        let end = try id(.end)
        try self.init(
            file, addedTokens: tokens, convention: convention,
            template: Self.llamaTemplate(files.config, beginning, end), bosToken: beginning, eosToken: end)
    }

    /// The default names of `LlamaTokenizer`, or the model's own names if it has no such pieces.
    private static func defaultNames(_ file: SentencePieceFile) -> [SpecialTokenNames.Role: String] {
        func name(_ standard: String, _ own: some Collection<UInt8>) -> String? {
            if file.pieces.number(of: standard.utf8.span) != nil { return standard }
            let own = Array(own)
            return file.pieces.number(of: own.span) != nil ? String(decoding: own, as: UTF8.self) : nil
        }
        var names: [SpecialTokenNames.Role: String] = [:]
        names[.beginning] = name("<s>", file.bosPiece)
        names[.end] = name("</s>", file.eosPiece)
        names[.unknown] = name("<unk>", file.pieces[file.unknown])
        return names
    }

    private convenience init(tokenizerJSON: [UInt8], files: TokenizerFiles) throws {
        let names = try SpecialTokenNames(files)
        // In the LLaMA classes of `transformers`, add_prefix_space in the configuration overrides the file.
        let name = files.config?["tokenizer_class"]?.string ?? ""
        let isLlama = ["LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast"]
            .contains(name)
        let json = try TokenizerJSON(
            parsing: tokenizerJSON, moreTokens: try names.moreTokensOfFastTokenizer(files),
            addsPrefix: !isLlama || files.config?["add_prefix_space"]?.bool ?? true)
        let indices = SpecialTokenNames.indices(json.addedTokens)
        func number(_ content: String) -> TokenID? {
            if let index = indices[Array(content.utf8)] { return json.addedTokens[index].id }
            return json.vocabulary.number(of: content.utf8.span).map { TokenID(rawValue: Int32($0)) }
        }
        let added = try AddedVocabulary(
            names.mark(json.addedTokens, idOf: number), normalize: { json.normalizer.normalize($0) })
        let beginning = try names.id(of: .beginning, number)
        let end = try names.id(of: .end, number)
        // These classes also make their own template if the configuration says which tokens to add.
        let isConfigured = files.config?["add_bos_token"]?.bool != nil || files.config?["add_eos_token"]?.bool != nil
        let template = isLlama && isConfigured ? Self.llamaTemplate(files.config, beginning, end) : json.template
        let lone = json.template.prefix.count == 1 ? json.template.prefix.first : nil
        self.init(
            .bytePair(json), pieces: json.vocabulary, added: added, template: template,
            bosToken: beginning ?? lone, eosToken: end)
    }

    private static func llamaTemplate(
        _ config: JSONObject?, _ beginning: TokenID?, _ end: TokenID?
    ) -> TokenizerJSON.Template {
        var template = TokenizerJSON.Template()
        if config?["add_bos_token"]?.bool ?? true, let beginning { template.prefix = [beginning] }
        if config?["add_eos_token"]?.bool ?? false, let end { template.suffix = [end] }
        return template
    }
}
