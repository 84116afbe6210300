import TestSupport
import Foundation
import Storage
import Tensors
import Testing
import Tokenization

@Suite("Settings of tokenizer_config.json beside tokenizer.model")
struct SettingsTests {
    private func files(_ config: JSONObject) throws -> TokenizerFiles {
        TokenizerFiles(sentencePieceModel: try Fixtures.bytes("tokenizer.model"), config: config)
    }

    @Test("legacy and add_prefix_space have the effect that they have in transformers")
    func prefixes() throws {
        let variants = try #require(Fixtures.json("llama-settings.json").array)
        #expect(variants.count == 9)
        for variant in variants {
            let config = try #require(variant["config"]?.object)
            let setting =
                "legacy \(config["legacy"]?.bool as Any), add_prefix_space \(config["add_prefix_space"]?.bool as Any)"
            let tokenizer = try Tokenizer(files: files(config))
            for golden in try #require(variant["texts"]?.array) {
                let text = try #require(golden["text"]?.string)
                let ids = try #require(golden["ids"]?.ids)
                #expect(tokenizer.encode(text) == ids, "\(setting): \(text.debugDescription)")
                for (skipSpecial, key) in [(true, "decoded"), (false, "decoded_all")] {
                    guard let decoded = golden[key]?.string else { continue }
                    #expect(tokenizer.decode(ids, skipSpecial: skipSpecial) == decoded, "\(setting): \(ids)")
                    #expect(tokenizer.streamed(ids, skipSpecial: skipSpecial) == decoded, "\(setting): \(ids)")
                }
            }
        }
    }

    @Test(
        "add_prefix_space: false also applies to tokenizer.json, as in LlamaTokenizerFast", .slow,
        .needsPython, arguments: [[], ["--metaspace"]])
    func prefixOfJSON(options: [String]) throws {
        let model = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/tokenizer.model").path
        let json = try PythonLibraries.run("convert", [model] + options, output: "tokenizer.json") { path in
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        }
        let variants = try #require(Fixtures.json("llama-settings.json").array)
        let variant = try #require(variants.first { $0["config"]?["add_prefix_space"]?.bool == false })
        let tokenizer = try Tokenizer(
            files: TokenizerFiles(tokenizerJSON: json, config: variant["config"]?.object))
        for golden in try #require(variant["texts"]?.array) {
            let ids = try #require(golden["ids"]?.ids)
            #expect(tokenizer.encode(golden["text"]?.string ?? "") == ids, "\(golden)")
            #expect(tokenizer.decode(ids) == golden["decoded"]?.string, "\(golden)")
        }
    }

    @Test("an empty name is ignored: the tokenizer's own tokens are used", arguments: ["", "{}"])
    func emptyNames(form: String) throws {
        let empty: JSONValue = form.isEmpty ? "" : ["content": "", "lstrip": false]
        let config: JSONObject = ["bos_token": empty, "eos_token": empty, "unk_token": empty, "pad_token": empty]
        var files = try files(config)
        files.specialTokensMap = ["bos_token": empty, "additional_special_tokens": [empty]]
        files.addedTokens = ["": 32000]
        let llama = try Tokenizer(files: files)
        #expect(llama.bosToken == 1 && llama.eosToken == 2 && llama.vocabularySize == 32000)
        #expect(llama.encode("The capital") == [1, 450, 7483])
        let json = try Tokenizer(
            files: TokenizerFiles(tokenizerJSON: Fixtures.bytes("llama3-tiny.json"), config: config))
        #expect(json.bosToken == json.id(ofAddedToken: "<|begin_of_text|>") && json.eosToken == nil)
    }

    @Test("null means that there is no BOS token, unlike an empty name")
    func noToken() throws {
        let tokenizer = try Tokenizer(files: files(["bos_token": .null]))
        #expect(tokenizer.bosToken == nil && tokenizer.encode("The capital") == [450, 7483])
    }

    @Test("pieces of type UNUSED are accepted if no merge can make them")
    func unused() throws {
        let filler = SentencePieceBuilder.small(extra: [("[PAD1]", 0, 5), ("ca", -20, 1)])
        let tokenizer = try Tokenizer(sentencePieceModel: filler.bytes)
        let plain = try Tokenizer(sentencePieceModel: SentencePieceBuilder.small().bytes)
        #expect(tokenizer.encode("abc[PAD1]ab") == plain.encode("abc[PAD1]ab"))
        #expect(tokenizer.decode([268]) == "[PAD1]")
        for made in ["ba", "x"] {
            let model = SentencePieceBuilder.small(extra: [(made, -30, 5)])
            let error = #expect(throws: PVITError.self) { try Tokenizer(sentencePieceModel: model.bytes) }
            #expect(error?.code == .unsupportedTokenizer)
        }
    }

    @Test("unsupported tokenizers are refused in one line that says what is supported")
    func unsupported() throws {
        for type in ["WordPiece", "Unigram", "WordLevel"] {
            let json = Array(#"{"model": {"type": "\#(type)", "vocab": {"a": 0}}}"#.utf8)
            let error = #expect(throws: PVITError.self) { try Tokenizer(files: TokenizerFiles(tokenizerJSON: json)) }
            #expect(error?.code == .unsupportedTokenizer && error?.remedy?.contains("byte-level BPE") == true)
            #expect(error?.what.contains(type) == true)
        }
    }
}
