import Storage
import Tensors

/// A `tokenizer.json` of the `tokenizers` library. A feature that is not implemented is an error that names it.
struct TokenizerJSON: Sendable {
    /// All tokens, by id. Those of the model can be found, added tokens cannot.
    let vocabulary: TokenTable
    let model: BytePairModel
    let normalizer: TextNormalizer
    let preTokenizer: PreTokenizer
    let decoding: TokenDecoding
    /// The special tokens that the tokenizer puts around a text.
    let template: Template
    let addedTokens: [AddedToken]

    /// The ids before and after a text.
    struct Template: Sendable, Equatable {
        var prefix: [TokenID] = []
        var suffix: [TokenID] = []
    }

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - moreTokens: Added tokens from other files. They replace tokens with the same id and content.
    ///   - addsPrefix: Whether the normalizer or a `Metaspace` may put a space before texts.
    /// - Throws: `json.invalid`, `tokenizer.invalid` or `tokenizer.unsupported`.
    init(parsing bytes: [UInt8], moreTokens: [AddedToken], addsPrefix: Bool = true) throws {
        let document = try TokenizerDocument(parsing: bytes)
        let root = document.root
        guard let model = root["model"]?.object else { throw PVITError.badTokenizer("tokenizer.json has no model") }
        let own = try AddedTokenList(tokenizerJSON: root["added_tokens"]).tokens
        addedTokens = AddedTokenList.merge(own, moreTokens)
        let (pieces, ids) = try VocabularyReader.read(document, model, addedTokens: addedTokens)
        vocabulary = pieces
        let normalizer = TextNormalizer(steps: try ComponentReader.normalizer(root["normalizer"]))
        self.normalizer = addsPrefix ? normalizer : normalizer.withoutPrefix
        let preTokenizer = try ComponentReader.preTokenizer(root["pre_tokenizer"])
        let cutting = PreTokenizer(steps: preTokenizer.steps)
        self.preTokenizer = addsPrefix ? cutting : cutting.withoutPrefix
        let decoding = try ComponentReader.decoder(root["decoder"])
        if case .chain(let chain) = decoding, !addsPrefix {
            self.decoding = .chain(chain.withoutPrefix)
        } else {
            self.decoding = decoding
        }
        template = try ComponentReader.postProcessor(root["post_processor"], vocabularyCount: pieces.count)
        self.model = BytePairModel(
            vocabulary: pieces, merges: try VocabularyReader.merges(document, ids),
            units: preTokenizer.isByteLevel ? .bytes : .characters,
            options: try VocabularyReader.options(model, pieces))
    }

    /// Encodes text without added tokens.
    ///
    /// - Parameter isStart: Whether this is the start of the whole text.
    func encode(_ normalized: [UInt8], isStart: Bool, scratch: inout BytePairScratch, into ids: inout [TokenID]) {
        preTokenizer.forEachWord(of: normalized, isStart: isStart) { word in
            model.encode(word, scratch: &scratch, into: &ids)
        }
    }
}

/// Reads `model` of a tokenizer.json.
enum VocabularyReader {
    /// The tokens by id, of the model and added.
    ///
    /// - Returns: The tokens, and the id of each member of the vocabulary.
    static func read(
        _ document: TokenizerDocument, _ model: JSONObject, addedTokens: [AddedToken]
    ) throws -> (tokens: TokenTable, idOfMember: [Int32]) {
        if let type = model["type"], type.string != "BPE" {
            throw PVITError.unsupportedTokenizer("the model of tokenizer.json is \(describe(type)), not BPE")
        }
        guard let vocabulary = document.vocabulary else {
            throw PVITError.badTokenizer("model.vocab of tokenizer.json is not an object")
        }
        let keys = vocabulary.keys
        guard keys.count > 0 else { throw PVITError.badTokenizer("model.vocab of tokenizer.json is empty") }
        // Ids have no gaps, so they are all below the number of tokens.
        let limit = keys.count + addedTokens.count
        guard limit <= TokenizerLimits.vocabularyCount else {
            throw PVITError.badTokenizer(
                "tokenizer.json has \(limit) tokens, more than \(TokenizerLimits.vocabularyCount)")
        }
        func text(_ member: Int) -> String { String(decoding: keys[member], as: UTF8.self) }
        var memberOfID = Array(repeating: -1, count: limit)
        for (member, number) in vocabulary.ids.enumerated() {
            let id = Int(number)
            guard id >= 0, id < limit else {
                let value = id < 0 ? vocabulary.firstInvalidValue : .integer(id)
                throw PVITError.badTokenizer(
                    "the token \"\(text(member))\" has the id \(describe(value)) in a vocabulary of \(limit)")
            }
            guard keys.range(of: member).count <= TokenizerLimits.tokenByteCount else {
                throw PVITError.badTokenizer("the token \(id) is longer than \(TokenizerLimits.tokenByteCount) bytes")
            }
            guard memberOfID[id] < 0 else {
                throw PVITError.badTokenizer(
                    "\"\(text(memberOfID[id]))\" and \"\(text(member))\" both have the id \(id)")
            }
            memberOfID[id] = member
        }
        return (try table(keys, memberOfID, addedTokens), vocabulary.ids)
    }

    /// The tokens by id.
    ///
    /// - Parameters:
    ///   - keys: The tokens of the model in the order of the file.
    ///   - memberOfID: The index in `keys` of the token with each id, or -1.
    private static func table(
        _ keys: TokenTable, _ memberOfID: [Int], _ addedTokens: [AddedToken]
    ) throws -> TokenTable {
        var table = keys
        let added = Dictionary(addedTokens.map { (Int($0.id.rawValue), $0.content) }) { first, _ in first }
        var last = memberOfID.lastIndex { $0 >= 0 } ?? -1
        last = max(last, addedTokens.map { Int($0.id.rawValue) }.max() ?? -1)
        for (id, content) in added where id < memberOfID.count && memberOfID[id] >= 0 {
            let key = keys[memberOfID[id]]
            guard content.utf8.elementsEqual(key) else {
                throw PVITError.badTokenizer(
                    "the token \(id) is \"\(String(decoding: key, as: UTF8.self))\" in the vocabulary, but "
                        + "\"\(content)\" in the added tokens")
            }
        }
        var order: [Int] = []
        order.reserveCapacity(last + 1)
        for id in 0...max(last, 0) {
            let member = id < memberOfID.count ? memberOfID[id] : -1
            if member >= 0 {
                order.append(member)
            } else if let content = added[id] {
                if let other = keys.number(of: content.utf8.span) {
                    throw PVITError.badTokenizer(
                        "the added token \"\(content)\" has the id \(id), but "
                            + "\(memberOfID.firstIndex(of: other) ?? other) in the vocabulary")
                }
                order.append(table.append(content.utf8.span))
            } else {
                throw PVITError.badTokenizer("no token has the id \(id), but the ids reach \(last)")
            }
        }
        return table.reordered(order)
    }

    /// The merges as ids.
    ///
    /// - Parameter idOfMember: The id of each member of the vocabulary.
    static func merges(_ document: TokenizerDocument, _ idOfMember: [Int32]) throws -> [ListedMerge] {
        guard let merges = document.merges else {
            throw PVITError.badTokenizer("model.merges of tokenizer.json is not a list")
        }
        if idOfMember.indices.allSatisfy({ idOfMember[$0] == $0 }) { return try merges.get() }
        func id(_ member: Symbol) -> Symbol { Symbol(idOfMember[Int(member)]) }
        return try merges.get().map {
            ListedMerge(left: id($0.left), right: id($0.right), merged: id($0.merged))
        }
    }

    /// The options of the model.
    static func options(_ model: JSONObject, _ vocabulary: TokenTable) throws -> BytePairModel.Options {
        var options = BytePairModel.Options()
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            let value = model[key] ?? .null
            guard value == .null || value == .string("") else {
                throw PVITError.unsupportedTokenizer("model.\(key) of tokenizer.json is \(describe(value))")
            }
        }
        if let dropout = model["dropout"], dropout != .null, dropout.double != 0 {
            throw PVITError.unsupportedTokenizer("model.dropout of tokenizer.json is \(describe(dropout))")
        }
        options.fusesUnknown = try flag("fuse_unk", model)
        options.hasByteFallback = try flag("byte_fallback", model)
        options.ignoresMerges = try flag("ignore_merges", model)
        if let unknown = model["unk_token"], unknown != .null, unknown != "" {
            guard let text = unknown.string, let id = vocabulary.number(of: text.utf8.span) else {
                throw PVITError.badTokenizer("model.unk_token, \(describe(unknown)), is not in the vocabulary")
            }
            options.unknown = TokenID(rawValue: Int32(id))
        }
        return options
    }

    private static func flag(_ key: String, _ model: JSONObject) throws -> Bool {
        guard let value = model[key], value != .null else { return false }
        guard let flag = value.bool else {
            throw PVITError.badTokenizer("model.\(key) of tokenizer.json is \(describe(value)), not true or false")
        }
        return flag
    }
}

/// A JSON value in a message: its text, truncated if it is long.
func describe(_ value: JSONValue?) -> String {
    guard let value else { return "missing" }
    switch value {
    case .array(let elements) where elements.count > 4: return "a list of \(elements.count)"
    case .object(let object) where object.members.count > 4: return "an object"
    default: break
    }
    let text = String(decoding: value.encoded(), as: UTF8.self)
    return text.utf8.count <= 200 ? text : String(text.prefix(100)) + "…"
}
