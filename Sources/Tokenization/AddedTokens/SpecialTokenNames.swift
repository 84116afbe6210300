import Storage
import Tensors

/// The special tokens that special_tokens_map.json and tokenizer_config.json name.
struct SpecialTokenNames {
    /// The role of a special token.
    enum Role: String, CaseIterable {
        case beginning = "bos_token"
        case end = "eos_token"
        case unknown = "unk_token"
        case padding = "pad_token"
        case separator = "sep_token"
        case classifier = "cls_token"
        case mask = "mask_token"
    }

    /// A token's entry in a file.
    struct Name {
        let content: String
        /// The flags, if the entry is an object and not only a string.
        let flags: AddedToken?
        /// Whether the entry is a string in special_tokens_map.json.
        let isBare: Bool
    }

    private var names: [Role: Name] = [:]
    private var additional: [Name] = []

    /// Collects the names. special_tokens_map.json wins, unless tokenizer_config.json has the newer
    /// `added_tokens_decoder`, which makes `transformers` ignore it.
    ///
    /// An empty string is treated as absent. `null` means that no token has the role.
    ///
    /// - Parameter defaults: The names for roles that no file names.
    init(_ files: TokenizerFiles, defaults: [Role: String] = [:]) throws {
        for (role, content) in defaults where files.config?[role.rawValue] != .null {
            names[role] = Name(content: content, flags: nil, isBare: false)
        }
        try read(files.config, isMap: false)
        if files.config?["added_tokens_decoder"]?.object == nil { try read(files.specialTokensMap, isMap: true) }
    }

    private mutating func read(_ object: JSONObject?, isMap: Bool) throws {
        guard let object else { return }
        for role in Role.allCases {
            if let name = try Self.name(object[role.rawValue], role.rawValue, isMap: isMap) { names[role] = name }
        }
        guard let list = object["additional_special_tokens"], list != .null else { return }
        guard let elements = list.array else {
            throw PVITError.badTokenizer("additional_special_tokens is \(describe(list)), not a list")
        }
        additional = try elements.compactMap { try Self.name($0, "additional_special_tokens", isMap: true) }
    }

    private static func name(_ value: JSONValue?, _ key: String, isMap: Bool) throws -> Name? {
        guard let value, value != .null, value.string != "", value["content"]?.string != "" else { return nil }
        if let content = value.string { return Name(content: content, flags: nil, isBare: isMap) }
        guard let object = value.object, let content = object["content"]?.string else {
            throw PVITError.badTokenizer("\(key) is \(describe(value)), neither a string nor an object with a content")
        }
        let flags = AddedToken(
            id: 0, content: content, stripsLeft: object["lstrip"]?.bool ?? false,
            stripsRight: object["rstrip"]?.bool ?? false, isSpecial: true)
        return Name(content: content, flags: flags, isBare: false)
    }

    /// All names.
    var all: [Name] { Role.allCases.compactMap { names[$0] } + additional }

    /// The id of the token with a role; nil if no token has the role.
    ///
    /// - Throws: `tokenizer.invalid` if the token is not in the vocabulary.
    func id(of role: Role, _ idOf: (String) -> TokenID?) throws -> TokenID? {
        guard let name = names[role] else { return nil }
        if let id = idOf(name.content) { return id }
        throw PVITError.badTokenizer("the \(role.rawValue) \"\(name.content)\" is not in the vocabulary")
    }

    /// The added tokens of a tokenizer.json, with the named ones marked as special. Named tokens that are only in the
    /// vocabulary are added.
    func mark(_ tokens: [AddedToken], idOf: (String) -> TokenID?) -> [AddedToken] {
        var tokens = tokens
        var indexOfContent = Self.indices(tokens)
        for name in all {
            let content = Array(name.content.utf8)
            if let index = indexOfContent[content] {
                tokens[index].isSpecial = true
            } else if let id = idOf(name.content) {
                indexOfContent[content] = tokens.count
                var token = name.flags ?? AddedToken(id: id, content: name.content)
                token.id = id
                token.isSpecial = true
                tokens.append(token)
            }
        }
        return tokens
    }

    /// Tokens that tokenizer_config.json and added_tokens.json add to a tokenizer.json.
    func moreTokensOfFastTokenizer(_ files: TokenizerFiles) throws -> [AddedToken] {
        let listed = try AddedTokenList(tokenizerConfig: files.config?["added_tokens_decoder"]).tokens
        guard let object = files.addedTokens else { return listed }
        let more = try AddedTokenList(addedTokensJSON: object) { content in
            AddedToken(id: 0, content: content, isNormalized: true)
        }.tokens
        return AddedTokenList.merge(more, listed)
    }

    /// The added tokens of `LlamaTokenizer` of `transformers`.
    ///
    /// Since 4.34 `added_tokens_decoder` has their flags. Before that, special tokens with an object, and those named
    /// in tokenizer_config.json, keep the white space beside them unless the object says otherwise. All other tokens,
    /// those of added_tokens.json, strip it on both sides. Named tokens without an id are left as text, except BOS and
    /// EOS.
    ///
    /// - Parameter pieceID: Gives the id of a piece.
    func tokensOfLlamaTokenizer(
        _ files: TokenizerFiles, pieceID: (String) -> TokenID?
    ) throws -> [AddedToken] {
        var tokens = try AddedTokenList(tokenizerConfig: files.config?["added_tokens_decoder"]).tokens
        // Only a tokenizer.json has a normalizer.
        for index in tokens.indices { tokens[index].isNormalized = false }
        let hasFlags = !tokens.isEmpty
        if let object = files.addedTokens {
            let more = try AddedTokenList(addedTokensJSON: object) { content in
                AddedToken(id: 0, content: content, stripsLeft: true, stripsRight: true)
            }.tokens
            tokens = AddedTokenList.merge(more, tokens)
        }
        var indexOfContent = Self.indices(tokens)
        for name in all {
            let content = Array(name.content.utf8)
            if let index = indexOfContent[content] {
                tokens[index].isSpecial = true
                if !hasFlags, !name.isBare { setStrips(of: &tokens[index], name) }
            } else if let id = pieceID(name.content) {
                var token = AddedToken(
                    id: id, content: name.content, stripsLeft: true, stripsRight: true, isSpecial: true)
                if !name.isBare || hasFlags { setStrips(of: &token, name) }
                indexOfContent[content] = tokens.count
                tokens.append(token)
            }
        }
        return tokens
    }

    /// The index of each content in the list. Of equal contents the first one wins.
    static func indices(_ tokens: [AddedToken]) -> [[UInt8]: Int] {
        Dictionary(tokens.enumerated().map { (Array($1.content.utf8), $0) }, uniquingKeysWith: { first, _ in first })
    }

    private func setStrips(of token: inout AddedToken, _ name: Name) {
        token.stripsLeft = name.flags?.stripsLeft ?? false
        token.stripsRight = name.flags?.stripsRight ?? false
    }
}
