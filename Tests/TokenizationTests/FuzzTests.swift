import Foundation
import Storage
import Tensors
import Testing
import TestSupport
import Tokenization

/// Mutates files at random, and reads and uses the results. Every outcome except a working tokenizer or one error ends
/// the process. `PVIT_FUZZ_SECONDS` sets a running time instead of a fixed number of rounds.
@Suite("Mutated tokenizer files", .slow)
struct FuzzTests {
    private static let texts = [
        "", "abc <s>ab</s>  é🚀\n\n1234 it's <|x|> \u{0301}", String(repeating: "ab ", count: 50),
    ]

    private func mutate(_ file: [UInt8], with words: [[UInt8]], _ random: inout RepeatableRandom) -> [UInt8] {
        var bytes = file
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...8, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 4: bytes.removeSubrange(place...)
            case 5: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            default: bytes.replaceSubrange(place..<end, with: words.randomElement(using: &random) ?? [])
            }
        }
        return bytes
    }

    private func run(_ file: [UInt8], words: [String], rounds: Int, read: ([UInt8]) throws -> Tokenizer) {
        let seconds = ProcessInfo.processInfo.environment["PVIT_FUZZ_SECONDS"].flatMap(Double.init)
        let end = Date().addingTimeInterval(seconds ?? 0)
        var accepted = 0
        var refused = 0
        var round: UInt64 = 0
        while seconds == nil ? round < UInt64(rounds) : Date() < end {
            round += 1
            var random = RepeatableRandom(seed: round)
            do {
                let tokenizer = try read(mutate(file, with: words.map { Array($0.utf8) }, &random))
                for text in Self.texts {
                    for id in tokenizer.encode(text) where id.rawValue < 0 || id.rawValue >= tokenizer.vocabularySize {
                        Issue.record("round \(round): id \(id) of \(tokenizer.vocabularySize)")
                    }
                }
                let ids = (0..<20).map { _ in TokenID(rawValue: Int32.random(in: -2...400, using: &random)) }
                let whole = tokenizer.decode(ids, skipSpecial: false)
                if tokenizer.streamed(ids, skipSpecial: false) != whole { Issue.record("round \(round): \(ids)") }
                accepted += 1
            } catch is PVITError {
                refused += 1
            } catch {
                Issue.record("round \(round): \(error)")
            }
        }
        #expect(accepted > 0 && refused > 0)
    }

    @Test("a mutated tokenizer.model is a tokenizer or one error")
    func model() {
        let extra: [(String, Float, UInt64)] = [("<|x|>", 0, 4), ("  ", 0, 4), ("é", -3, 1)]
        for withBytes in [true, false] {
            let file = SentencePieceBuilder.small(byteFallback: withBytes, extra: extra).bytes
            run(file, words: ["\u{0}", "\u{7F}", "ab", "▁", "\u{8}\u{1}"], rounds: 1500) { bytes in
                try Tokenizer(sentencePieceModel: bytes)
            }
        }
    }

    @Test(
        "a changed tokenizer.json is a tokenizer or one error", arguments: ["llama3-tiny.json", "characters-tiny.json"])
    func json(name: String) throws {
        let words = [
            "null", "0", "-1", "1e9", "99999999999999999999", "\"\"", "\"a b\"", "true", "false", "[]", "{}",
            "[[\"a\",\"b\"]]",
            "\\u0000", "\"ByteLevel\"", "\"Metaspace\"", "\"normalized\": true", "\"lstrip\": true", "\"rstrip\": true",
        ]
        run(try Fixtures.bytes(name), words: words, rounds: 1500) { try Tokenizer(tokenizerJSON: $0) }
    }

    @Test("mutated configurations of PVIT's tokenizer are a tokenizer or one error")
    func configurations() throws {
        let model = SentencePieceBuilder.small().bytes
        let files: JSONValue = [
            "config": [
                "add_bos_token": true, "bos_token": ["content": "<s>", "lstrip": false], "eos_token": "</s>",
                "added_tokens_decoder": [
                    "0": ["content": "<unk>", "special": true], "268": ["content": "<x>", "lstrip": true],
                ],
            ],
            "map": ["bos_token": "<s>", "unk_token": ["content": "<unk>"], "additional_special_tokens": ["<x>"]],
            "added": ["<x>": 268, "<y>": 269],
        ]
        run(
            files.encoded(), words: ["null", "-1", "1e9", "\"</s>\"", "[]", "{}", "true", "\"legacy\":false"],
            rounds: 1500
        ) {
            let parts = try JSONValue(parsing: $0)
            return try Tokenizer(
                files: TokenizerFiles(
                    sentencePieceModel: model, config: parts["config"]?.object, specialTokensMap: parts["map"]?.object,
                    addedTokens: parts["added"]?.object))
        }
    }
}
