import Storage
import Tensors
import Testing
import Tokenization

@Suite("Malformed tokenizer.json")
struct MalformedJSONTests {
    /// A small tokenizer.json with some members replaced.
    private func file(_ parts: JSONObject = [:], model changes: JSONObject = [:]) -> [UInt8] {
        var model: JSONObject = [
            "type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2, "<unk>": 3], "merges": ["a b"], "unk_token": "<unk>",
        ]
        for member in changes.members { model[member.key] = member.value }
        var root: JSONObject = ["model": .object(model), "decoder": ["type": "Fuse"]]
        for member in parts.members { root[member.key] = member.value }
        return JSONValue.object(root).encoded()
    }

    private func error(_ bytes: [UInt8], config: JSONObject? = nil, added: JSONObject? = nil) -> PVITError? {
        do {
            _ = try Tokenizer(files: TokenizerFiles(tokenizerJSON: bytes, config: config, addedTokens: added))
            return nil
        } catch let error as PVITError {
            #expect(!error.description.contains("\n"))
            return error
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test("the small file itself works")
    func small() throws {
        let tokenizer = try Tokenizer(tokenizerJSON: file())
        #expect(tokenizer.encode("abba?") == [2, 1, 0, 3])
        #expect(tokenizer.decode([2, 1, 0, 3]) == "abba<unk>")
        let pairs = try Tokenizer(tokenizerJSON: file(model: ["merges": [["a", "b"]]]))
        #expect(pairs.encode("abba?") == [2, 1, 0, 3])
    }

    @Test("a file that is not a JSON object is an error")
    func notJSON() {
        #expect(error([])?.code == .badJSON)
        #expect(error(Array("[]".utf8))?.code == .badTokenizer)
        #expect(error(Array("{}".utf8))?.code == .badTokenizer)
        #expect(error(Array(repeating: UInt8(ascii: "["), count: 1_000_000))?.code == .badJSON)
        let whole = file()
        for count in 0..<whole.count { #expect(error(Array(whole[..<count])) != nil, "\(count) bytes") }
    }

    @Test("the members of the model may be in any order, and so may the tokens")
    func order() throws {
        let model =
            #"{"merges":[["a","b"],"#
            + #"["b","c"]],"unk_token":"<unk>","vocab":{"<unk>":5,"bc":4,"ab":2,"c":3,"b":1,"a":0},"type":"BPE"}"#
        let added = #"[{"id":6,"content":"<x>"}]"#
        let text = #"{"model":\#(model),"added_tokens":\#(added),"decoder":{"type":"Fuse"}}"#
        let tokenizer = try Tokenizer(tokenizerJSON: Array(text.utf8))
        #expect(tokenizer.encode("abc<x>bc?") == [2, 3, 6, 4, 5])
        #expect(tokenizer.decode([2, 3, 6, 4, 5]) == "abc<x>bc<unk>")
        #expect(tokenizer.vocabularySize == 7 && tokenizer.id(ofPiece: "bc") == 4)
    }

    @Test("duplicate keys are errors, and so is malformed JSON after a bad merge")
    func keys() {
        func error(_ model: String) -> PVITError.Code? { self.error(Array(#"{"model":{\#(model)}}"#.utf8))?.code }
        #expect(error(#""vocab":{"a":0,"\u0061":1},"merges":[]"#) == .duplicateJSONKey)
        #expect(error(#""vocab":{"a":0},"merges":[],"vocab":{"a":0}"#) == .duplicateJSONKey)
        #expect(error(#""merges":[],"vocab":{"a":0},"merges":[]"#) == .duplicateJSONKey)
        #expect(self.error(Array(#"{"model":{},"model":{}}"#.utf8))?.code == .duplicateJSONKey)
        #expect(error(#""vocab":{"a":0},"merges":["a b",tru]"#) == .badJSON)
        #expect(error(#""merges":[["a"],5,"x y"],"vocab":{"a":0,}"#) == .badJSON)
        #expect(error(#""merges":[["a"],5,"x y"],"vocab":{"a":0}"#) == .badTokenizer)
        #expect(error(#""vocab":{"a":0,"b":1,"ab":2},"merges":["#) == .badJSON)
        #expect(error(#""vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b""#) == .badJSON)
    }

    @Test("bad vocabularies are errors")
    func vocabulary() {
        let values: [JSONValue] = [
            .null, [], [:], ["a": -1], ["a": "0"], ["a": 0.5], ["a": 9_000_000_000_000_000_000], ["a": 1e300],
            ["a": 0, "b": 0, "ab": 1, "<unk>": 2], ["a": 0, "b": 1, "ab": 2, "<unk>": 4],
        ]
        for value in values { #expect(error(file(model: ["vocab": value]))?.code == .badTokenizer, "\(value)") }
        #expect(error(file(model: ["unk_token": "?"]))?.code == .badTokenizer)
        #expect(error(file(model: ["byte_fallback": 1]))?.code == .badTokenizer)
    }

    @Test("bad merges are errors")
    func merges() {
        let values: [JSONValue] = [
            .null, [:], ["ab"], ["a b c"], ["a  b"], ["a x"], ["x b"], ["b a"], ["", "a"], [" "], [["a"]],
            [["a", "b", "c"]],
            [["a", 1]], [[["a", "b"]]], [5], [["", "a"]],
        ]
        for value in values { #expect(error(file(model: ["merges": value]))?.code == .badTokenizer, "\(value)") }
    }

    @Test("bad added tokens are errors")
    func addedTokens() {
        let values: [JSONValue] = [
            [:], [5], [["id": 4]], [["id": -1, "content": "x"]], [["id": 5, "content": "x"]],
            [["id": 0, "content": "x"]],
            [["id": 4, "content": "a"]], [["id": 4, "content": "x", "special": 1]],
            [["id": 4, "content": "x"], ["id": 4, "content": "y"]],
            [["id": 4, "content": "x"], ["id": 5, "content": "x"]],
            [["id": 2_147_483_648, "content": "x"]],
        ]
        for value in values { #expect(error(file(["added_tokens": value]))?.code == .badTokenizer, "\(value)") }
        #expect(error(file(), added: ["x": 7])?.code == .badTokenizer)
        #expect(error(file(), added: ["x": "4"])?.code == .badTokenizer)
        #expect(error(file(), added: ["x": 4]) == nil)
        #expect(error(file(["added_tokens": [["id": 4, "content": ""]]])) == nil)
        #expect(error(file(), config: ["added_tokens_decoder": ["four": ["content": "x"]]])?.code == .badTokenizer)
        #expect(error(file(), config: ["added_tokens_decoder": [:], "eos_token": "</s>"])?.code == .badTokenizer)
        #expect(error(file(), config: ["eos_token": 5])?.code == .badTokenizer)
        #expect(error(file(), config: ["eos_token": ["content": "ab"]]) == nil)
    }

    @Test("components that are not implemented are named")
    func unsupported() {
        func expect(_ parts: JSONObject, names name: String, model: JSONObject = [:]) {
            let error = error(file(parts, model: model))
            #expect(
                error?.code == .unsupportedTokenizer && error?.what.contains(name) == true,
                "\(name): \(String(describing: error))")
        }
        expect([:], names: "Unigram", model: ["type": "Unigram"])
        expect([:], names: "continuing_subword_prefix", model: ["continuing_subword_prefix": "##"])
        expect([:], names: "end_of_word_suffix", model: ["end_of_word_suffix": "</w>"])
        expect([:], names: "dropout", model: ["dropout": 0.5])
        expect(["normalizer": ["type": "NFKC"]], names: "NFKC")
        expect(["normalizer": ["type": "Sequence", "normalizers": [["type": "Lowercase"]]]], names: "Lowercase")
        expect(["normalizer": ["type": "Replace", "pattern": ["Regex": "x+"], "content": ""]], names: "x+")
        expect(["pre_tokenizer": ["type": "BertPreTokenizer"]], names: "BertPreTokenizer")
        expect(
            [
                "pre_tokenizer": [
                    "type": "Split", "pattern": ["Regex": "\\w+"], "behavior": "Isolated", "invert": false,
                ]
            ],
            names: "\\w+")
        expect(
            [
                "pre_tokenizer": [
                    "type": "Split", "behavior": "MergedWithNext", "invert": false,
                    "pattern": ["Regex": .string(llama3Pattern)],
                ]
            ], names: "MergedWithNext")
        expect(
            ["pre_tokenizer": ["type": "Sequence", "pretokenizers": [["type": "ByteLevel"], ["type": "Digits"]]]],
            names: "after ByteLevel")
        expect(["decoder": ["type": "WordPiece"]], names: "WordPiece")
        expect(
            ["decoder": ["type": "Sequence", "decoders": [["type": "Fuse"], ["type": "ByteFallback"]]]],
            names: "ByteFallback")
        expect(["decoder": ["type": "Strip", "content": " ", "start": 1, "stop": 1]], names: "stop")
        expect(["post_processor": ["type": "BertProcessing"]], names: "BertProcessing")
    }

    @Test("components that would make texts or running times explode are refused")
    func bounds() {
        let long = JSONValue.string(String(repeating: "a", count: 1000))
        let replace: JSONValue = ["type": "Replace", "pattern": ["String": "a"], "content": "aaaaaaaaaa"]
        let parts: [JSONObject] = [
            ["normalizer": ["type": "Prepend", "prepend": long]],
            ["normalizer": ["type": "Replace", "pattern": ["String": long], "content": ""]],
            ["normalizer": ["type": "Replace", "pattern": ["String": "a"], "content": long]],
            ["normalizer": ["type": "Sequence", "normalizers": [replace, replace]]],
            ["decoder": ["type": "Sequence", "decoders": [replace, replace]]],
            ["decoder": ["type": "Sequence", "decoders": .array(Array(repeating: ["type": "Fuse"], count: 100))]],
            [
                "pre_tokenizer": [
                    "type": "Sequence", "pretokenizers": .array(Array(repeating: ["type": "Digits"], count: 100)),
                ]
            ],
            [
                "post_processor": [
                    "type": "TemplateProcessing", "single": [["SpecialToken": ["id": "x"]], ["Sequence": ["id": "A"]]],
                    "special_tokens": ["x": ["ids": .array(Array(repeating: 0, count: 100))]],
                ]
            ],
        ]
        for part in parts { #expect(error(file(part))?.code == .unsupportedTokenizer, "\(part)") }
        var vocabulary: JSONObject = ["a": 0, "b": 1, "ab": 2, "<unk>": 3]
        vocabulary[String(repeating: "a", count: 100_000)] = 4
        #expect(error(file(model: ["vocab": .object(vocabulary)]))?.code == .badTokenizer)
    }

    private let llama3Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
        + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

    @Test("components with members of the wrong type are errors")
    func components() {
        let parts: [JSONObject] = [
            ["normalizer": 5], ["normalizer": ["prepend": "x"]], ["normalizer": ["type": "Prepend"]],
            ["normalizer": ["type": "Sequence", "normalizers": 5]],
            ["normalizer": ["type": "Replace", "pattern": ["String": ""], "content": "x"]],
            ["pre_tokenizer": []], ["pre_tokenizer": ["type": "Metaspace", "replacement": ""]],
            ["pre_tokenizer": ["type": "Metaspace", "replacement": "ab"]],
            ["pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": "yes"]],
            ["decoder": ["type": "Strip", "content": "", "start": 1, "stop": 0]],
            ["decoder": ["type": "Strip", "content": " ", "start": -1, "stop": 0]],
            ["decoder": ["type": "Sequence", "decoders": [.null]]],
            ["post_processor": ["type": "TemplateProcessing", "single": []]],
            ["post_processor": ["type": "TemplateProcessing", "single": [["SpecialToken": ["id": "x"]]]]],
            [
                "post_processor": [
                    "type": "TemplateProcessing", "single": [["SpecialToken": ["id": "x"]], ["Sequence": ["id": "A"]]],
                    "special_tokens": ["x": ["ids": [77]]],
                ]
            ],
        ]
        for part in parts { #expect(error(file(part))?.code == .badTokenizer, "\(part)") }
        let deep = String(repeating: #"{"type":"Sequence","normalizers":["#, count: 1000)
        #expect(
            error(Array(#"{"model":{"vocab":{"a":0},"merges":[]},"normalizer":"#.utf8) + Array(deep.utf8))?.code
                == .badJSON)
    }

    @Test("a checkpoint without tokenizer files is a missing input")
    func missing() {
        #expect(throws: PVITError.self) { try Tokenizer(files: TokenizerFiles()) }
    }
}
