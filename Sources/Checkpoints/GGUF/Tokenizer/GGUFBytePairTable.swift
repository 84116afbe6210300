import Storage
import Tokenization

/// Converts a byte-level BPE tokenizer.json to the tables of a GGUF file (`gpt2`).
enum GGUFBytePairTable {
    /// - Parameters:
    ///   - json: The content of tokenizer.json.
    ///   - files: The files beside it, which may name more tokens.
    ///   - limit: The number of rows of the embeddings.
    static func make(_ json: JSONObject, _ files: TokenizerFiles, limit: Int) throws -> GGUFTokenTable {
        guard let model = json["model"]?.object, let vocabulary = model["vocab"]?.object,
            let merges = model["merges"]?.array, (model["type"]?.string ?? "BPE") == "BPE"
        else { throw failure("its model is not BPE") }
        let preTokenizer = json["pre_tokenizer"] ?? .null
        let ignoresMerges = model["ignore_merges"]?.bool ?? false
        guard let kind = BytePairPreTokenizer(json: preTokenizer),
            let name = kind.ggufName(ignoresMerges: ignoresMerges)
        else {
            let text = String(decoding: preTokenizer.encoded(), as: UTF8.self)
            throw failure("its pre_tokenizer has no name in GGUF: \(text.prefix(200))")
        }
        guard json["normalizer"] == nil || json["normalizer"] == .null else {
            throw failure("it normalizes texts, which GGUF cannot express")
        }
        var table = GGUFTokenTable(
            limit: limit, hasScores: false,
            head: [("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string(name))])
        let special = try files.specialTokenTexts
        var added: [(content: String, id: Int, isSpecial: Bool)] = []
        for entry in json["added_tokens"]?.array ?? [] {
            guard let content = entry["content"]?.string else { throw failure("an added token has no content") }
            added.append((content, try id(entry["id"], content), entry["special"]?.bool == true))
        }
        for token in try files.tokensBesideTokenizerJSON {
            added.append((token.content, Int(token.id.rawValue), token.isSpecial))
        }
        let contents = Set(added.map { Array($0.content.utf8) })
        for member in vocabulary.members where !contents.contains(Array(member.key.utf8)) {
            try table.put(
                GGUFTokenTable.Token(text: member.key, kind: .normal), at: try id(member.value, member.key))
        }
        for (content, id, isSpecial) in added where !content.isEmpty {
            let kind: PieceKind =
                isSpecial || special.contains(Array(content.utf8)) ? .control : .userDefined
            try table.put(GGUFTokenTable.Token(text: content, kind: kind), at: id)
        }
        table.tail = [("tokenizer.ggml.merges", .strings(try merges.map(merge)))]
        let template = template(json["post_processor"] ?? .null)
        table.addsBeginning = template?.first?["SpecialToken"] != nil
        table.addsEnd = template?.last?["SpecialToken"] != nil
        if let first = template?.first?["SpecialToken"]?["id"]?.string?.utf8 {
            table.defaultRoles["bos"] = table.tokens.firstIndex { $0.text.utf8.elementsEqual(first) }
        }
        return table
    }

    private static func id(_ value: JSONValue?, _ token: String) throws -> Int {
        guard let id = value?.integer, id >= 0 else {
            throw failure("the token \"\(token)\" has no id")
        }
        return id
    }

    /// A merge as one text: the two tokens with a space between.
    private static func merge(_ value: JSONValue) throws -> String {
        if let text = value.string { return text }
        guard let pair = value.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string,
            !left.contains(" "), !right.contains(" ")
        else { throw failure("a merge is not a pair of tokens without spaces") }
        return "\(left) \(right)"
    }

    /// The template for a single text.
    private static func template(_ processor: JSONValue) -> [JSONValue]? {
        let parts = processor["type"]?.string == "Sequence" ? processor["processors"]?.array ?? [] : [processor]
        return parts.first { $0["type"]?.string == "TemplateProcessing" }?["single"]?.array
    }

    private static func failure(_ what: String) -> PVITError {
        PVITError(
            .exportTokenizer, "tokenizer.json cannot be written as GGUF metadata: \(what)",
            remedy: "put the model's tokenizer.model beside it, if it has one")
    }
}
