import Storage
import Tokenization

/// A `gpt2` tokenizer of a GGUF file, byte-level BPE, as a tokenizer.json that gives the same ids.
struct GGUFBytePairTokenizer {
    /// The content of tokenizer.json.
    let tokenizerJSON: JSONValue
    /// The first members of tokenizer_config.json.
    let config: JSONObject

    init(_ tokenizer: GGUFTokenizer, _ file: GGUFFile) throws {
        let name = try file.string("tokenizer.ggml.pre")
        guard let (kind, ignoresMerges) = BytePairPreTokenizer.named(name) else {
            throw PVITError(
                .ggufUnsupportedTokenizer,
                "the way \"\(name ?? "")\" to cut texts into words (tokenizer.ggml.pre) is not supported",
                file: file.path)
        }
        guard let merges = try file.strings("tokenizer.ggml.merges") else {
            throw GGUFTokenizer.failure(file, "the file has no merges")
        }
        // Tokens that only pad the table to the size of the embeddings.
        let used = (tokenizer.kinds.lastIndex { $0 != .unused } ?? -1) + 1
        var vocabulary = JSONObject()
        var added: [JSONValue] = []
        for id in 0..<used {
            vocabulary[tokenizer.tokens[id]] = .integer(id)
            switch tokenizer.kinds[id] {
            case .control, .userDefined, .unknown:
                var entry = tokenizer.addedToken(id)
                entry["id"] = .integer(id)
                added.append(.object(entry))
            case .normal, .unused, .byte: break
            }
        }
        let byteLevel: JSONValue = [
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
        ]
        // LLaMA 3's files lack the key, but always add BOS.
        let addsBeginning = try file.bool("tokenizer.ggml.add_bos_token") ?? (kind == .llama3 && ignoresMerges)
        let addsEnd = try file.bool("tokenizer.ggml.add_eos_token") ?? false
        tokenizerJSON = [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
            "normalizer": .null, "pre_tokenizer": kind.json,
            "post_processor": try Self.postProcessor(
                tokenizer, beginning: addsBeginning ? tokenizer.id("bos") : nil,
                end: addsEnd ? tokenizer.id("eos") : nil),
            "decoder": byteLevel,
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": .bool(ignoresMerges), "vocab": .object(vocabulary),
                "merges": .array(merges.map { .string($0) }),
            ],
        ]
        var config: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": false]
        config["add_bos_token"] = .bool(addsBeginning)
        config["add_eos_token"] = .bool(addsEnd)
        for role in try tokenizer.roles().members { config[role.key] = role.value }
        self.config = config
    }

    /// The component that puts tokens around a text; null if nothing does.
    private static func postProcessor(_ tokenizer: GGUFTokenizer, beginning: Int?, end: Int?) throws -> JSONValue {
        guard beginning != nil || end != nil else { return .null }
        func token(_ id: Int?, _ type: Int) -> [JSONValue] {
            id.map { [["SpecialToken": ["id": .string(tokenizer.tokens[$0]), "type_id": .integer(type)]]] } ?? []
        }
        func text(_ name: String, _ type: Int) -> [JSONValue] {
            [["Sequence": ["id": .string(name), "type_id": .integer(type)]]]
        }
        var special = JSONObject()
        for id in [beginning, end].compactMap({ $0 }) {
            let name = tokenizer.tokens[id]
            special[name] = ["id": .string(name), "ids": [.integer(id)], "tokens": [.string(name)]]
        }
        let single = token(beginning, 0) + text("A", 0) + token(end, 0)
        return [
            "type": "TemplateProcessing", "single": .array(single),
            "pair": .array(single + token(beginning, 1) + text("B", 1) + token(end, 1)),
            "special_tokens": .object(special),
        ]
    }
}
