import ConstrainedDecoding
import Foundation
import Storage
import Tensors
import Tokenization

/// The tokens of a tokenizer, for tests.
struct Vocabulary: Sendable {
    let tokens: [TokenID: [UInt8]]
    let trie: VocabularyTrie
    /// The token that ends a text.
    let end: TokenID
    /// The tokens that have a mark of JSON, and the one that ends a text.
    let marks: TokenMask
    /// The tokens that end a text, an object, an array and a string.
    let closing: [TokenID]
    /// A token that is allowed in most strings and nowhere else.
    let letter: TokenID?

    init(_ tokens: [TokenID: [UInt8]], end: TokenID) {
        self.tokens = tokens
        self.end = end
        trie = VocabularyTrie(tokens, capacity: Int(end.rawValue) + 1)
        var marks = TokenMask(capacity: trie.capacity)
        for (token, bytes) in tokens where bytes.contains(where: { "\"{}[],:".utf8.contains($0) }) {
            marks[token] = true
        }
        marks[end] = true
        self.marks = marks
        let single = Dictionary(tokens.filter { $0.value.count == 1 }.map { ($0.value, $0.key) }) { min($0, $1) }
        letter = single[Array("z".utf8)]
        closing = [end] + ["}", "]", "\""].compactMap { single[Array($0.utf8)] }
    }

    /// All bytes, and some longer tokens that cross the borders of values.
    static let small: Vocabulary = {
        var tokens: [[UInt8]] = (0...255).map { [UInt8($0)] }
        tokens += [
            "{\"", "\":", "\": ", "\": \"", "\",", "\", \"", "\"}", "\"]", "},", "}]", "[[", "]]", "[{\"", ", ", "\n  ",
            "\n    ", "true", "false", "null", "12", "00", ".5", "e+", "é", "😀", "日本", "ab", "abc", "  ", "\\u00",
            "\\\"", "a\":", "a\": ", "b\":1,\"a", "\":1,\"", "\"a\":", "\"a\",\"b\"", "name", " name", "1}", "0]}",
        ].map { Array($0.utf8) }
        tokens += [[0xC3], [0xA9, 0x22], [0xF0, 0x9F], [0x98, 0x80, 0x61], [0xE6, 0x97]]
        let ids = tokens.enumerated().map { (TokenID(rawValue: Int32($0.offset)), $0.element) }
        return Vocabulary(Dictionary(uniqueKeysWithValues: ids), end: TokenID(rawValue: Int32(tokens.count)))
    }()

    /// LLaMA's vocabulary, a fixture of the tests of `Tokenization`.
    static func llama() throws -> Vocabulary {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("TokenizationTests/Fixtures/tokenizer.model")
        let tokenizer = try Tokenizer(files: TokenizerFiles(sentencePieceModel: [UInt8](Data(contentsOf: path))))
        var tokens: [TokenID: [UInt8]] = [:]
        for number in 0..<tokenizer.vocabularySize {
            let id = TokenID(rawValue: Int32(number))
            if !tokenizer.isSpecial(id) { tokens[id] = tokenizer.bytes(of: id) }
        }
        return Vocabulary(tokens, end: tokenizer.eosToken ?? 2)
    }
}
