import Storage
import Tensors
import Testing
import TestSupport
import Tokenization

@Suite("Texts made of a template and messages")
struct SegmentTests {
    private static let names = [
        "legacy", "one prefix", "pvit", "llama3-tiny.json", "characters-tiny.json", "normalized",
    ]

    private func tokenizer(_ name: String) throws -> Tokenizer {
        switch name {
        case "legacy": return try Fixtures.llama()
        case "one prefix":
            return try Tokenizer(
                files: TokenizerFiles(
                    sentencePieceModel: Fixtures.bytes("tokenizer.model"), config: ["legacy": false]))
        case "pvit": return try Fixtures.pvit()
        case "normalized":
            // As in the tokenizer.json of LLaMA 1: special tokens are searched for in the normalized text.
            var root = try #require(Fixtures.json("characters-tiny.json").object)
            root["added_tokens"] = .array(
                (root["added_tokens"]?.array ?? []).map { entry in
                    var entry = entry.object ?? [:]
                    entry["normalized"] = true
                    return .object(entry)
                })
            return try Tokenizer(tokenizerJSON: JSONValue.object(root).encoded())
        default: return try Tokenizer(tokenizerJSON: Fixtures.bytes(name))
        }
    }

    @Test("boundaries between segments do not change the ids of ordinary text", arguments: names)
    func borders(name: String) throws {
        let tokenizer = try tokenizer(name)
        let special = tokenizer.addedTokens.filter(\.isSpecial).map(\.content)
        let ordinary = [
            "Hello", " world", "  ", "\n", "a", "é🚀", "12345", "▁x", "'ll", "", " ", "user", ":", "<|",
        ]
        // Added tokens that are not special are parsed in messages, too, unless the template contains them.
        let added = ["Norm", "norm x", "<|a|>", "<Region>", "<im_", "start>"]
        var random = RepeatableRandom(seed: 1)
        for _ in 0..<300 {
            let segments = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                let isTemplate = Bool.random(using: &random)
                let words = ordinary + (isTemplate ? special + special : added)
                let parts = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    words.randomElement(using: &random) ?? ""
                }
                return TextSegment(text: parts.joined(), parsesSpecial: isTemplate)
            }
            let whole = segments.map(\.text).joined()
            for addSpecial in [true, false] {
                #expect(
                    tokenizer.encode(segments: segments, addSpecial: addSpecial)
                        == tokenizer.encode(whole, addSpecial: addSpecial), "\(segments)")
            }
        }
    }

    @Test("special tokens in a message stay text, even across boundaries of segments", arguments: names)
    func spelled(name: String) throws {
        let tokenizer = try tokenizer(name)
        for token in tokenizer.addedTokens where token.isSpecial {
            let cut = token.content.index(token.content.startIndex, offsetBy: 1)
            let cases: [[TextSegment]] = [
                [.message("x \(token.content)y")],
                [.template("x "), .message(token.content), .template("y")],
                [.template("x " + token.content[..<cut]), .message(token.content[cut...] + "y")],
                [.message("x " + token.content[..<cut]), .template(token.content[cut...] + "y")],
            ]
            for segments in cases {
                let whole = segments.map(\.text).joined()
                #expect(tokenizer.encode(whole).contains(token.id))
                #expect(
                    tokenizer.encode(segments: segments) == tokenizer.encode(whole, parseSpecial: false),
                    "\(segments)")
            }
        }
    }

    @Test("the template's tokens and reserved tokens are text in messages, even if they are not special")
    func marks() throws {
        let tokenizer = try Fixtures.pvit()
        let region = try #require(tokenizer.id(ofAddedToken: "<Region>"))
        let patch = try #require(tokenizer.id(ofAddedToken: "<im_patch>"))
        #expect(tokenizer.addedTokens.contains { $0.id == region && !$0.isSpecial })
        func count(of id: TokenID, _ segments: [TextSegment], reserving reserved: Set<TokenID> = []) -> Int {
            tokenizer.encode(segments: segments, reserving: reserved).count { $0 == id }
        }
        #expect(count(of: region, [.template("user: "), .message("a<Region>b")]) == 1)
        #expect(count(of: region, [.template("<Region>user: "), .message("a<Region>b")]) == 1)
        #expect(count(of: region, [.message("<Region>b"), .template("<Region>")]) == 1)
        #expect(count(of: region, [.template("<Region>a"), .template("<Region>b")]) == 2)
        #expect(count(of: patch, [.template("user: "), .message("a<im_patch>b")], reserving: [patch]) == 0)
        #expect(count(of: patch, [.template("<im_patch>"), .message("a<im_patch>b")], reserving: [patch]) == 1)
        // With parsing everywhere, nothing is treated as a mark.
        #expect(tokenizer.encode("<Region>a<Region>b", parseSpecial: false).count { $0 == region } == 2)
    }

    @Test("the template's own tokens are parsed, whatever the messages beside them begin or end with")
    func ownTokens() throws {
        let added = [
            AddedToken(id: 32000, content: "<s>x", isSpecial: true),
            AddedToken(id: 32001, content: "a<s>", isSpecial: true),
            AddedToken(id: 1, content: "<s>", isSpecial: true),
        ]
        let tokenizer = try Tokenizer(
            sentencePieceModel: Fixtures.bytes("tokenizer.model"), addedTokens: added, convention: .legacy)
        func ids(_ segments: [TextSegment]) -> [TokenID] { tokenizer.encode(segments: segments, addSpecial: false) }
        func plain(_ text: String) -> [TokenID] {
            tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        }
        #expect(ids([.template("<s>"), .message("x")]) == [1] + plain("x"))
        #expect(ids([.message("a"), .template("<s>")]) == plain("a") + [1])
        #expect(ids([.template("<s>x")]) == [32000] && ids([.template("a<s"), .template(">")]) == [32001])
        #expect(ids([.message("a<s>"), .template("<s>")]) == plain("a<s>") + [1])
    }
}

extension TextSegment {
    fileprivate static func template(_ text: some StringProtocol) -> Self {
        TextSegment(text: String(text), parsesSpecial: true)
    }

    fileprivate static func message(_ text: some StringProtocol) -> Self {
        TextSegment(text: String(text), parsesSpecial: false)
    }
}
