import Foundation
import Storage
import Tensors
import Testing
import Tokenization

@Suite("LLaMA's SentencePiece tokenizer, against transformers 4.33 and llama.cpp's pairs")
struct LlamaGoldenTests {
    @Test("texts give the ids of the original tokenizers")
    func encoding() throws {
        let llama = try Fixtures.llama()
        let pvit = try Fixtures.pvit()
        let cases = try #require(Fixtures.json("pairs.json")["encode"]?.array)
        #expect(cases.count == 50)
        for golden in cases {
            let text = try #require(golden["text"]?.string)
            #expect(llama.encode(text, addBeginning: false) == golden["ids_base"]?.ids, "\(text.debugDescription)")
            #expect(pvit.encode(text) == golden["ids_pvit_with_bos"]?.ids, "\(text.debugDescription)")
        }
    }

    @Test("ids give the texts of the original tokenizer, at once and in a stream")
    func decoding() throws {
        let pvit = try Fixtures.pvit()
        let cases = try #require(Fixtures.json("pairs.json")["decode"]?.array)
        #expect(cases.count == 40)
        for golden in cases {
            let ids = try #require(golden["ids"]?.ids)
            for (skipSpecial, key) in [(true, "text"), (false, "text_keep_special")] {
                let text = try #require(golden[key]?.string)
                #expect(Array(pvit.decode(ids, skipSpecial: skipSpecial).utf8) == Array(text.utf8), "\(ids)")
                #expect(Array(pvit.streamed(ids, skipSpecial: skipSpecial).utf8) == Array(text.utf8), "\(ids)")
            }
        }
    }

    @Test("llama.cpp's test texts give their ids")
    func llamaCppPairs() throws {
        let llama = try Fixtures.llama()
        let input = String(decoding: try Fixtures.bytes("llama-spm-tests.inp"), as: UTF8.self)
        let output = String(decoding: try Fixtures.bytes("llama-spm-tests.out"), as: UTF8.self)
        let texts = input.components(separatedBy: "\n__ggml_vocab_test__\n")
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(texts.count > 40)
        for (text, line) in zip(texts, lines) {
            let ids = line.split(separator: " ").compactMap { Int32($0) }.map(TokenID.init(rawValue:))
            #expect(llama.encode(text, addBeginning: false) == ids, "\(text.debugDescription)")
        }
    }

    @Test("prompts as PVIT's worker writes them give its ids")
    func prompts() throws {
        let pvit = try Fixtures.pvit()
        let records = try #require(Fixtures.sharedJSON("prompts.json")["records"]?.array)
        var count = 0
        for record in records {
            guard let runs = record["ids_rle"]?.array, let prompt = record["prompt"]?.string else { continue }
            let ids = runs.flatMap { run -> [TokenID] in
                guard let pair = run.array else { return JSONValue.array([run]).ids }
                return Array(repeating: JSONValue.array([pair[0]]).ids[0], count: pair[1].integer ?? 0)
            }
            #expect(pvit.encode(try expand(prompt)) == ids, "\(prompt.debugDescription)")
            count += 1
        }
        #expect(count > 50)
    }

    /// Images and regions as tokens, as the worker writes them before it encodes the prompt.
    private func expand(_ prompt: String) throws -> String {
        let patches = String(repeating: "<im_patch>", count: 256)
        var text = prompt.replacingOccurrences(of: "<image>", with: "<im_start>\(patches)<im_end>")
        let expression = try NSRegularExpression(pattern: #"<Region>(\s*(?:<L\d{1,4}>\s*){4})</Region>"#)
        let inner = expression.matches(in: text, range: NSRange(text.startIndex..., in: text))
            .compactMap { Range($0.range(at: 1), in: text).map { String(text[$0]) } }
        for place in inner { text = text.replacingOccurrences(of: place, with: "<im_patch>") }
        return text
    }
}
