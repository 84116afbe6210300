import Storage
import Tensors

/// Added tokens as the files of a checkpoint list them, but for those with an empty text, which no text can have: the
/// `tokenizers` library ignores them too.
struct AddedTokenList {
    /// The tokens in the order of the file.
    private(set) var tokens: [AddedToken] = []

    /// `added_tokens` of tokenizer.json: a list of objects with an id.
    init(tokenizerJSON value: JSONValue?) throws {
        guard let value, value != .null else { return }
        guard let list = value.array else { throw PVITError.badTokenizer("added_tokens of tokenizer.json is no list") }
        for entry in list {
            guard let object = entry.object else {
                throw PVITError.badTokenizer("added_tokens of tokenizer.json has the entry \(describe(entry))")
            }
            try append(object, id: object["id"])
        }
    }

    /// `added_tokens_decoder` of tokenizer_config.json: from ids, written as texts, to objects.
    init(tokenizerConfig value: JSONValue?) throws {
        guard let value, value != .null else { return }
        guard let object = value.object else {
            throw PVITError.badTokenizer("added_tokens_decoder of tokenizer_config.json is no object")
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
    /// - Parameter flags: The token that a content becomes, before its id is set.
    init(addedTokensJSON object: JSONObject, flags: (String) -> AddedToken) throws {
        for member in object.members where !member.key.isEmpty {
            var token = flags(member.key)
            token.id = try Self.id(member.value, of: member.key)
            tokens.append(token)
        }
    }

    private mutating func append(_ object: JSONObject, id: JSONValue?) throws {
        guard let content = object["content"]?.string else {
            throw PVITError.badTokenizer("an added token has the content \(describe(object["content"])), not a text")
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

    /// The tokens of both lists; where both have the same id and content, the second one's.
    static func merge(_ first: [AddedToken], _ second: [AddedToken]) -> [AddedToken] {
        var merged = first
        var places = Dictionary(first.enumerated().map { ($1.id, $0) }) { earlier, _ in earlier }
        for token in second {
            if let place = places[token.id], merged[place].content.utf8.elementsEqual(token.content.utf8) {
                merged[place] = token
            } else {
                places[token.id] = merged.count
                merged.append(token)
            }
        }
        return merged
    }
}
