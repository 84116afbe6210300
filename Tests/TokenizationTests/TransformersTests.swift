import Storage
import Tensors
import Testing
import Tokenization

@Suite("LlamaTokenizer of transformers 4.33 under many configurations")
struct TransformersTests {
    @Test("ids and texts agree for every configuration")
    func allConfigurations() throws {
        let variants = try #require(Fixtures.json("transformers-llama.json").array)
        #expect(variants.count == 6)
        let model = try Fixtures.bytes("tokenizer.model")
        for variant in variants {
            let name = variant["name"]?.string ?? ""
            let tokenizer = try Tokenizer(
                files: TokenizerFiles(
                    sentencePieceModel: model, config: variant["config"]?.object,
                    specialTokensMap: variant["special_tokens_map"]?.object,
                    addedTokens: variant["added_tokens"]?.object))
            for golden in try #require(variant["encode"]?.array) {
                let text = try #require(golden["text"]?.string)
                #expect(tokenizer.encode(text) == golden["ids"]?.ids, "\(name): \(text.debugDescription)")
            }
            for golden in try #require(variant["decode"]?.array) {
                let ids = try #require(golden["ids"]?.ids)
                for (skipSpecial, key) in [(true, "text"), (false, "text_all")] {
                    let text = Array(try #require(golden[key]?.string).utf8)
                    #expect(Array(tokenizer.decode(ids, skipSpecial: skipSpecial).utf8) == text, "\(name): \(ids)")
                    #expect(Array(tokenizer.streamed(ids, skipSpecial: skipSpecial).utf8) == text, "\(name): \(ids)")
                }
            }
        }
    }

    @Test("special tokens in untrusted text can be left as text")
    func unrecognised() throws {
        let tokenizer = try Fixtures.pvit()
        let ids = tokenizer.encode("a</s><Region>b", addSpecial: false, parseSpecial: false)
        #expect(!ids.contains(2) && ids.contains(32003))
        #expect(tokenizer.decode(ids) == "a</s> <Region> b")
    }

    @Test("the vocabulary knows BOS, EOS, special tokens and pieces")
    func vocabulary() throws {
        let tokenizer = try Fixtures.pvit()
        #expect(tokenizer.vocabularySize == 32005)
        #expect(tokenizer.bosToken == 1 && tokenizer.eosToken == 2)
        #expect(
            tokenizer.isSpecial(0) && tokenizer.isSpecial(1) && tokenizer.isSpecial(2) && !tokenizer.isSpecial(32000))
        #expect(tokenizer.id(ofAddedToken: "<im_patch>") == 32000 && tokenizer.id(ofAddedToken: "▁the") == nil)
        #expect(tokenizer.piece(of: 278) == "▁the")
        #expect(tokenizer.piece(of: 32004) == "</Region>" && tokenizer.piece(of: 13) == "<0x0A>")
        #expect(tokenizer.piece(of: -1) == nil && tokenizer.piece(of: 32005) == nil)
        #expect(tokenizer.addedTokens.map(\.id).suffix(5) == [32000, 32001, 32002, 32003, 32004])
    }

    @Test("a stream returns each character with its last byte")
    func streaming() throws {
        let tokenizer = try Fixtures.llama()
        // 🚀 is F0 9F 9A 80; byte b is the piece b + 3.
        var decoder = tokenizer.makeStreamDecoder()
        #expect([0xF0, 0x9F, 0x9A].map { decoder.append(TokenID(rawValue: $0 + 3)) } == ["", "", ""])
        #expect(decoder.append(TokenID(rawValue: 0x80 + 3)) == "🚀")
        #expect(decoder.append(TokenID(rawValue: 0xF0 + 3)) == "")
        #expect(decoder.append(15043) == "\u{FFFD} Hello")
        #expect(decoder.finish() == "")
    }
}
