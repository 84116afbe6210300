import Tensors

/// A `tokenizer.json` of the `tokenizers` library, read and checked. What is not implemented is an error that names it.
struct TokenizerJSON: Sendable {
    /// All tokens, numbered by id; those of the model are findable, those that were added are not.
    let vocabulary: TokenTable
    let model: BytePairModel
    let normalizer: TextNormalizer
    let preTokenizer: PreTokenizer
    let decoding: TokenDecoding
    /// The ids before and behind an encoded text when the tokenizer's own additions are asked for.
    let template: Template
    let addedTokens: [AddedToken]

    /// Ids around a text.
    struct Template: Sendable, Equatable {
        var prefix: [TokenID] = []
        var suffix: [TokenID] = []
    }

    /// Reads a file.
    ///
    /// - Parameter moreTokens: Added tokens that other files name. They replace those of equal id and content.
    /// - Throws: `json.invalid`, `tokenizer.invalid` or `tokenizer.unsupported`.
    init(parsing bytes: [UInt8], moreTokens: [AddedToken]) throws {
        let document = try JSONValue(parsing: bytes)
        guard let root = document.object else { throw PVITError.badTokenizer("tokenizer.json is no object") }
        guard let model = root["model"]?.object else { throw PVITError.badTokenizer("tokenizer.json has no model") }
        let own = try AddedTokenList(tokenizerJSON: root["added_tokens"]).tokens
        addedTokens = AddedTokenList.merge(own, moreTokens)
        let pieces = try VocabularyReader.read(model, addedTokens: addedTokens)
        vocabulary = pieces
        normalizer = TextNormalizer(steps: try ComponentReader.normalizer(root["normalizer"]))
        let preTokenizer = try ComponentReader.preTokenizer(root["pre_tokenizer"])
        self.preTokenizer = PreTokenizer(steps: preTokenizer.steps)
        decoding = try ComponentReader.decoder(root["decoder"])
        template = try ComponentReader.postProcessor(root["post_processor"], vocabularyCount: pieces.count)
        self.model = BytePairModel(
            vocabulary: pieces, merges: try VocabularyReader.merges(model, pieces),
            units: preTokenizer.isByteLevel ? .bytes : .characters,
            options: try VocabularyReader.options(model, pieces))
    }

    /// Encodes text without added tokens.
    ///
    /// - Parameter isStart: Whether the text is the start of all that is encoded.
    func encode(_ normalized: [UInt8], isStart: Bool, scratch: inout BytePairScratch, into ids: inout [TokenID]) {
        preTokenizer.forEachWord(of: normalized, isStart: isStart) { word in
            model.encode(word, scratch: &scratch, into: &ids)
        }
    }
}

/// Reads `model` of a tokenizer.json.
enum VocabularyReader {
    /// The tokens by id: the model's own and those that were added.
    static func read(_ model: JSONObject, addedTokens: [AddedToken]) throws -> TokenTable {
        if let type = model["type"], type.string != "BPE" {
            throw PVITError.unsupportedTokenizer("the model of tokenizer.json is \(describe(type)), not BPE")
        }
        guard let vocabulary = model["vocab"]?.object else {
            throw PVITError.badTokenizer("model.vocab of tokenizer.json is no object")
        }
        guard !vocabulary.members.isEmpty else {
            throw PVITError.badTokenizer("model.vocab of tokenizer.json is empty")
        }
        // No id can reach the number of all tokens, since ids have no holes.
        let limit = vocabulary.members.count + addedTokens.count
        guard limit <= TokenizerLimits.vocabularyCount else {
            throw PVITError.badTokenizer(
                "tokenizer.json has \(limit) tokens, more than \(TokenizerLimits.vocabularyCount)")
        }
        var memberOfID = Array(repeating: -1, count: limit)
        for (number, member) in vocabulary.members.enumerated() {
            guard let id = member.value.integer, id >= 0, id < limit else {
                throw PVITError.badTokenizer(
                    "the token \"\(member.key)\" has the id \(describe(member.value)) in a vocabulary of \(limit)")
            }
            guard member.key.utf8.count <= TokenizerLimits.tokenByteCount else {
                throw PVITError.badTokenizer("the token \(id) is longer than \(TokenizerLimits.tokenByteCount) bytes")
            }
            guard memberOfID[id] < 0 else {
                throw PVITError.badTokenizer(
                    "\"\(vocabulary.members[memberOfID[id]].key)\" and \"\(member.key)\" both have the id \(id)")
            }
            memberOfID[id] = number
        }
        return try table(vocabulary.members, memberOfID, addedTokens)
    }

    private static func table(
        _ members: [JSONObject.Member], _ memberOfID: [Int], _ addedTokens: [AddedToken]
    ) throws -> TokenTable {
        var table = TokenTable(capacity: memberOfID.count)
        let added = Dictionary(addedTokens.map { (Int($0.id.rawValue), $0.content) }) { first, _ in first }
        var last = memberOfID.lastIndex { $0 >= 0 } ?? -1
        last = max(last, addedTokens.map { Int($0.id.rawValue) }.max() ?? -1)
        for id in 0...max(last, 0) {
            if id < memberOfID.count, memberOfID[id] >= 0 {
                let key = members[memberOfID[id]].key
                if let content = added[id], !content.utf8.elementsEqual(key.utf8) {
                    throw PVITError.badTokenizer(
                        "the id \(id) is \"\(key)\" in the vocabulary and \"\(content)\" as added token")
                }
                table.append(key.utf8.span)
                table.index(id)
            } else if let content = added[id] {
                if let other = table.number(of: content.utf8.span) {
                    throw PVITError.badTokenizer(
                        "the added token \"\(content)\" has the id \(id) and, in the vocabulary, \(other)")
                }
                table.append(content.utf8.span)
            } else {
                throw PVITError.badTokenizer("no token has the id \(id) although the ids reach \(last)")
            }
        }
        return table
    }

    /// The merges as ids: left, right, and what they make.
    static func merges(_ model: JSONObject, _ vocabulary: TokenTable) throws -> [(left: Int, right: Int, merged: Int)] {
        guard let list = model["merges"]?.array else {
            throw PVITError.badTokenizer("model.merges of tokenizer.json is no list")
        }
        var merges: [(left: Int, right: Int, merged: Int)] = []
        merges.reserveCapacity(list.count)
        for (line, entry) in list.enumerated() {
            let left: Int?
            let right: Int?
            let merged: Int?
            if let text = entry.string {
                var bytes = Array(text.utf8)
                if bytes.starts(with: "#version".utf8) { continue }
                guard let space = bytes.firstIndex(of: 0x20), bytes.lastIndex(of: 0x20) == space else {
                    throw PVITError.badTokenizer("merge \(line), \"\(text)\", is not two tokens with a space between")
                }
                left = vocabulary.number(of: bytes.span.extracting(0..<space))
                right = vocabulary.number(of: bytes.span.extracting(space + 1..<bytes.count))
                bytes.remove(at: space)
                merged = vocabulary.number(of: bytes.span)
            } else if let pair = entry.array, pair.count == 2, let first = pair[0].string, let second = pair[1].string {
                left = vocabulary.number(of: first.utf8.span)
                right = vocabulary.number(of: second.utf8.span)
                let joined = Array(first.utf8) + Array(second.utf8)
                merged = vocabulary.number(of: joined.span)
            } else {
                throw PVITError.badTokenizer("merge \(line), \(describe(entry)), is not a pair of tokens")
            }
            guard let left, let right, let merged, !vocabulary[left].isEmpty, !vocabulary[right].isEmpty else {
                throw PVITError.badTokenizer(
                    "merge \(line), \(describe(entry)), names a token that the vocabulary has not")
            }
            merges.append((left, right, merged))
        }
        return merges
    }

    /// The switches of the model.
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
        if let unknown = model["unk_token"], unknown != .null {
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

/// A JSON value for a message: its text, cut when long.
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
