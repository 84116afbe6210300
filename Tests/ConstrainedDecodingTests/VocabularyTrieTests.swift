import ConstrainedDecoding
import Storage
import Tensors
import TestSupport
import Testing

@Suite("Masks of tokens")
struct VocabularyTrieTests {
    /// The tokens that can be appended to a text, tried one by one.
    private static func allowed(_ state: ConstraintState, _ vocabulary: Vocabulary) -> Set<TokenID> {
        Set(vocabulary.tokens.filter { !$0.value.isEmpty && state.after($0.value) != nil }.keys)
    }

    @Test("a mask has exactly the tokens that can be appended", arguments: SchemaCase.all)
    func exactness(item: SchemaCase) throws {
        let vocabulary = Vocabulary.small
        let constraint = try JSONConstraint(schema: item.schema)
        for text in item.accepted {
            var state = constraint.makeState()
            for byte in Array(text.utf8) + [0] {
                let mask = Set(vocabulary.trie.allowedTokens(from: state))
                let expected = Self.allowed(state, vocabulary)
                // Tokens that end a key and begin another one are left out where keys must differ.
                let missing = expected.subtracting(mask).filter { token in
                    let text = String(decoding: vocabulary.tokens[token] ?? [], as: UTF8.self)
                    return !text.contains(#/":.*,"/#)
                }
                #expect(mask.isSubset(of: expected) && missing.isEmpty, "\(text) before \(byte)")
                guard let next = state.after([byte]) else { break }
                state = next
            }
        }
    }

    @Test("so has a mask of LLaMA's vocabulary", .slow)
    func llamaExactness() throws {
        let vocabulary = try Vocabulary.llama()
        let texts = [
            (#"{"type": "object"}"#, #"{"name": "Jürgen", "n": [1.5, "#),
            (#"{"type": "array", "items": {"type": "string", "maxLength": 20, "minLength": 4}}"#, #"["abcdef ghi"#),
            (#"{"type": "string", "pattern": "^(\\w+ )+\\d{2,4}$"}"#, #""word and 20"#),
            (
                #"{"properties": {"name": {"enum": ["Anna", "Annette", "日本"]}, "names": {"type": "null"}}}"#,
                #"{"name": "Ann"#
            ),
        ]
        for (schema, text) in texts {
            let constraint = try JSONConstraint(schema)
            for end in 0...text.utf8.count where end % 3 == 0 || end == text.utf8.count {
                let state = try #require(constraint.makeState().after(text.utf8.prefix(end)))
                let mask = Set(vocabulary.trie.allowedTokens(from: state))
                #expect(mask == Self.allowed(state, vocabulary), "\(schema) after \(end) bytes")
            }
        }
    }

    @Test("characters may be divided among tokens, and only whole ones are accepted")
    func dividedCharacters() throws {
        let vocabulary = Vocabulary.small
        let state = try #require(JSONConstraint(schema: ["type": "string"]).makeState().after("\"".utf8))
        let half = try #require(state.after([0xF0, 0x9F]))
        let mask = vocabulary.trie.allowedTokens(from: half)
        for (token, bytes) in vocabulary.tokens where bytes.count == 1 {
            #expect(mask[token] == (0x80...0xBF).contains(bytes[0]), "\(bytes)")
        }
        #expect(half.after([0x98, 0x80, 0x22])?.mayEnd == true)
        let wrong: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x28],
        ]
        for bytes in wrong { #expect(state.after(bytes) == nil, "\(bytes)") }
    }

    @Test("every scalar value is accepted in a string, as it is and under a pattern that says so", .slow)
    func allCharacters() throws {
        let free = try #require(JSONConstraint(schema: ["type": "string"]).makeState().after("\"".utf8))
        let limited = try #require(
            JSONConstraint(#"{"type": "string", "pattern": "^[\\s\\S]$"}"#).makeState().after("\"".utf8))
        for value in UInt32(0x20)...0x10FFFF where value != 0x22 && value != 0x5C {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(String(Character(scalar)).utf8)
            if free.after(bytes) == nil || limited.after(bytes) == nil { Issue.record("U+\(value)") }
        }
    }

    @Test("the end is allowed exactly when the text is complete")
    func ends() throws {
        let vocabulary = Vocabulary.small
        var constraint = TokenConstraint(
            try JSONConstraint(#"{"const": 12}"#), trie: vocabulary.trie, ends: [vocabulary.end])
        #expect(!constraint.mask()[vocabulary.end])
        let isEarlyEnd = constraint.accept(vocabulary.end)
        #expect(!isEarlyEnd)
        let token = try #require(vocabulary.tokens.first { $0.value == Array("12".utf8) }?.key)
        #expect(constraint.mask()[token])
        let isAccepted = constraint.accept(token)
        #expect(isAccepted && constraint.mayEnd && constraint.mustEnd)
        #expect(Array(constraint.mask()) == [vocabulary.end])
        let isRepeated = constraint.accept(token)
        #expect(!isRepeated)
    }

    @Test("tokens without bytes and without a number are never allowed")
    func emptyTokens() throws {
        let trie = VocabularyTrie([0: [], 1: Array("1".utf8), -5: Array("1".utf8)], capacity: 70)
        let state = try JSONConstraint(schema: true).makeState()
        #expect(Array(trie.allowedTokens(from: state)) == [1])
        #expect(trie.allowedTokens(from: state).words.count == 2)
        #expect(try VocabularyTrie([:]).allowedTokens(from: JSONConstraint(schema: true).makeState()).isEmpty)
    }

    @Test("one constraint serves several vocabularies and states")
    func sharing() throws {
        let constraint = try JSONConstraint(schema: ["type": "boolean"])
        let first = VocabularyTrie([0: Array("true".utf8), 1: Array("f".utf8)])
        let second = VocabularyTrie([0: Array("f".utf8), 1: Array("x".utf8), 2: Array("t".utf8)])
        let state = constraint.makeState()
        for _ in 0..<2 {
            #expect(Array(first.allowedTokens(from: state)) == [0, 1])
            #expect(Array(second.allowedTokens(from: constraint.makeState())) == [0, 2])
        }
    }

    @Test("a long text with ever new keys keeps its states", .slow)
    func manyKeys() throws {
        var state = try #require(JSONConstraint.anyObject().makeState().after("{".utf8))
        let old = state
        for number in 0..<2200 {
            let text = "\(number == 0 ? "" : ", ")\"key \(number)\": [\(number), {\"key \(number)\": \"\"}]"
            state = try #require(state.after(text.utf8))
        }
        #expect(state.after(", \"key 1234\":".utf8) == nil)
        #expect(state.after(", \"key 12345\": 1}".utf8)?.mustEnd == true)
        #expect(old.after("\"key 1234\": 1}".utf8)?.mustEnd == true)
    }
}
