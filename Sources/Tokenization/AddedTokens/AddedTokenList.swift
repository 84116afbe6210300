import Storage
import Tensors

/// The added tokens in a checkpoint's files. Tokens with an empty content are left out, as in the `tokenizers` library.
struct AddedTokenList {
    /// The tokens in the order of the file.
    private(set) var tokens: [AddedToken] = []

    /// `added_tokens` of tokenizer.json: a list of objects with an id.
    init(tokenizerJSON value: JSONValue?) throws {
        guard let value, value != .null else { return }
        guard let list = value.array else {
            throw PVITError.badTokenizer("added_tokens of tokenizer.json is not a list")
        }
        for entry in list {
            guard let object = entry.object else {
                throw PVITError.badTokenizer("added_tokens of tokenizer.json has the entry \(describe(entry))")
            }
            try append(object, id: object["id"])
        }
    }

    /// `added_tokens_decoder` of tokenizer_config.json: from ids, which are strings, to objects.
    init(tokenizerConfig value: JSONValue?) throws {
        guard let value, value != .null else { return }
        guard let object = value.object else {
            throw PVITError.badTokenizer("added_tokens_decoder of tokenizer_config.json is not an object")
        }
        for member in object.members {
            guard let entry = member.value.object else {
                throw PVITError.badTokenizer("added_tokens_decoder has the entry \(describe(member.value))")
            }
            try append(entry, id: Int(member.key).map { .integer($0) } ?? .string(member.key))
        }
    }

    /// `added_tokens.json`: from contents to ids.
    ///
    /// - Parameter flags: Makes the token of a content. Its id is set later.
    init(addedTokensJSON object: JSONObject, flags: (String) -> AddedToken) throws {
        for member in object.members where !member.key.isEmpty {
            var token = flags(member.key)
            token.id = try Self.id(member.value, of: member.key)
            tokens.append(token)
        }
    }

    private mutating func append(_ object: JSONObject, id: JSONValue?) throws {
        guard let content = object["content"]?.string else {
            throw PVITError.badTokenizer("an added token has the content \(describe(object["content"])), not a string")
        }
        guard !content.isEmpty else { return }
        func flag(_ key: String, default standard: Bool) throws -> Bool {
            guard let value = object[key], value != .null else { return standard }
            guard let flag = value.bool else {
                throw PVITError.badTokenizer("\(key) of the added token \"\(content)\" is \(describe(value))")
            }
            return flag
        }
        let isSpecial = try flag("special", default: false)
        tokens.append(
            AddedToken(
                id: try Self.id(id, of: content), content: content, singleWord: try flag("single_word", default: false),
                stripsLeft: try flag("lstrip", default: false), stripsRight: try flag("rstrip", default: false),
                isNormalized: try flag("normalized", default: !isSpecial), isSpecial: isSpecial))
    }

    private static func id(_ value: JSONValue?, of content: String) throws -> TokenID {
        guard let number = value?.integer, number >= 0, number < TokenizerLimits.vocabularyCount else {
            throw PVITError.badTokenizer("the added token \"\(content)\" has the id \(describe(value))")
        }
        return TokenID(rawValue: Int32(number))
    }

    /// The tokens of both lists. If a token of each has the same id and content, the second one is taken.
    static func merge(_ first: [AddedToken], _ second: [AddedToken]) -> [AddedToken] {
        var merged = first
        var indices = Dictionary(first.enumerated().map { ($1.id, $0) }) { earlier, _ in earlier }
        for token in second {
            if let index = indices[token.id], merged[index].content.utf8.elementsEqual(token.content.utf8) {
                merged[index] = token
            } else {
                indices[token.id] = merged.count
                merged.append(token)
            }
        }
        return merged
    }
}
