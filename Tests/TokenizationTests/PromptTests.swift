import Storage
import Tensors
import Testing
import TestSupport
import Tokenization

@Suite("Prompts and their continuations")
struct PromptTests {
    private static let names = ["llama", "pvit", "one prefix", "no prefix", "llama3-tiny.json", "characters-tiny.json"]

    private func tokenizer(_ name: String) throws -> Tokenizer {
        func llama(_ config: JSONObject) throws -> Tokenizer {
            try Tokenizer(
                files: TokenizerFiles(sentencePieceModel: Fixtures.bytes("tokenizer.model"), config: config))
        }
        switch name {
        case "llama": return try llama([:])
        case "pvit": return try Fixtures.pvit()
        case "one prefix": return try llama(["legacy": false])
        case "no prefix": return try llama(["add_prefix_space": false])
        default: return try Tokenizer(tokenizerJSON: Fixtures.bytes(name))
        }
    }

    /// The text that ids add to the text of earlier ids, decoded one at a time.
    private func continuation(_ tokenizer: Tokenizer, of context: some Sequence<TokenID>, _ ids: some Sequence<TokenID>)
        -> String
    {
        var decoder = tokenizer.makeStreamDecoder()
        decoder.skip(context)
        return ids.reduce("") { $0 + decoder.append($1) } + decoder.finish()
    }

    @Test("an answer keeps its leading space", arguments: ["llama", "one prefix", "no prefix"])
    func space(name: String) throws {
        let tokenizer = try tokenizer(name)
        let grant = try #require(tokenizer.id(ofPiece: "▁grant"))
        let prompt = tokenizer.encode("1 2 3")
        #expect(tokenizer.decode(prompt) == "1 2 3")
        #expect(continuation(tokenizer, of: prompt, [grant, 287]) == " granted")
        // The first word of a text has no leading space.
        #expect(continuation(tokenizer, of: [1], [grant]) == (name == "no prefix" ? " grant" : "grant"))
    }

    @Test("a text and its continuation together are the text of all ids", arguments: names)
    func joined(name: String) throws {
        let tokenizer = try tokenizer(name)
        var random = RepeatableRandom(seed: 3)
        var count = 0
        for round in 0..<400 {
            let limit = round % 2 == 0 ? tokenizer.vocabularySize : min(tokenizer.vocabularySize, 300)
            let ids = (0..<Int.random(in: 0...10, using: &random)).map { _ in
                TokenID(rawValue: Int32.random(in: 0..<Int32(limit), using: &random))
            }
            let whole = tokenizer.decode(ids)
            for cut in 0...ids.count {
                let start = tokenizer.decode(ids[..<cut])
                // Later ids may complete a character that is U+FFFD until then.
                guard whole.utf8.starts(with: start.utf8) else { continue }
                let rest = continuation(tokenizer, of: ids[..<cut], ids[cut...])
                #expect(Array((start + rest).utf8) == Array(whole.utf8), "\(ids), \(cut)")
                count += 1
            }
        }
        #expect(count > 1500)
    }

    @Test("a character that starts in the prompt and ends in the continuation is not split")
    func splitCharacter() throws {
        let tokenizer = try tokenizer("llama")
        let bytes = Array("é".utf8).map { TokenID(rawValue: Int32($0) + 3) }
        #expect(continuation(tokenizer, of: [450, bytes[0]], [bytes[1], 263]) == "é a")
    }

    @Test("a prompt that begins with BOS gets it once", arguments: names)
    func oneBeginning(name: String) throws {
        let tokenizer = try tokenizer(name)
        let before = tokenizer.tokensBeforeText
        #expect(tokenizer.encode(prompt: "Hello") == tokenizer.encode("Hello"))
        #expect(tokenizer.encode(prompt: "") == tokenizer.encode(""))
        guard let beginning = tokenizer.bosToken, let text = tokenizer.piece(of: beginning) else { return }
        #expect(before == [beginning])
        let whole = tokenizer.encode(text + "Hello")
        #expect(whole.starts(with: [beginning, beginning]))
        #expect(tokenizer.encode(prompt: text + "Hello") == Array(whole.dropFirst()))
        #expect(tokenizer.encode(prompt: text) == [beginning])
        let template = TextSegment(text: text, parsesSpecial: true)
        let message = TextSegment(text: text, parsesSpecial: false)
        #expect(tokenizer.encode(prompt: [template, message]).prefix(2) != [beginning, beginning])
        #expect(tokenizer.encode(prompt: [message, template]).first == beginning)
        #expect(tokenizer.encode(prompt: text + text + "a").prefix(2) == [beginning, beginning])
    }

    @Test("a token after texts is not added twice either")
    func oneEnd() throws {
        let tokenizer = try Tokenizer(
            files: TokenizerFiles(
                sentencePieceModel: Fixtures.bytes("tokenizer.model"), config: ["add_eos_token": true]))
        #expect(tokenizer.encode(prompt: "a") == [1, 263, 2] && tokenizer.encode(prompt: "<s>a</s>") == [1, 263, 2])
        #expect(tokenizer.tokensBeforeText == [1])
    }

    @Test("the bytes of tokens")
    func bytes() throws {
        let llama = try tokenizer("pvit")
        func text(_ tokenizer: Tokenizer, _ id: TokenID) -> String? {
            tokenizer.bytes(of: id).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(text(llama, 278) == " the" && text(llama, 2) == "</s>" && text(llama, 32003) == "<Region>")
        // Piece 229 is the byte E2.
        #expect(llama.bytes(of: 229) == [0xE2] && llama.isByte(229) && !llama.isByte(278))
        #expect(llama.bytes(of: 32005) == nil && llama.bytes(of: -1) == nil && !llama.isByte(32005))
        let byteLevel = try tokenizer("llama3-tiny.json")
        let space = try #require(byteLevel.id(ofPiece: "Ġ"))
        #expect(text(byteLevel, space) == " " && !byteLevel.isByte(space))
        let characters = try tokenizer("characters-tiny.json")
        let word = try #require((0..<260).map { TokenID(rawValue: $0) }.first { characters.piece(of: $0)?.count == 1 })
        #expect(text(characters, word) == characters.piece(of: word))
    }
}
