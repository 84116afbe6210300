import TestSupport
import Storage
import Tensors
import Testing
import Tokenization

@Suite("Malformed tokenizer.model")
struct MalformedModelTests {
    private func code(of bytes: [UInt8]) -> PVITError.Code? {
        do {
            _ = try Tokenizer(sentencePieceModel: bytes)
            return nil
        } catch let error as PVITError {
            #expect(!error.description.contains("\n"))
            return error.code
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test("the small model itself works")
    func small() throws {
        let tokenizer = try Tokenizer(sentencePieceModel: SentencePieceBuilder.small().bytes)
        #expect(tokenizer.encode("abc", addSpecial: false).map { tokenizer.piece(of: $0) } == ["▁a", "bc"])
        #expect(tokenizer.decode(tokenizer.encode("abc é")) == "abc é")
    }

    @Test("a model truncated anywhere is an error, never a trap", .slow)
    func truncated() {
        let whole = SentencePieceBuilder.small().bytes
        for count in 0..<whole.count {
            let code = code(of: Array(whole[..<count]))
            #expect(code == .badTokenizer || code == .unsupportedTokenizer, "\(count) bytes")
        }
    }

    @Test("hostile fields are errors")
    func fields() {
        func damaged(_ change: (inout SentencePieceBuilder) -> Void) -> PVITError.Code? {
            var model = SentencePieceBuilder.small()
            change(&model)
            return code(of: model.bytes)
        }
        let bad = PVITError.Code.badTokenizer
        #expect(code(of: []) == bad)
        #expect(damaged { $0.bytes += [0x0A] + Array(repeating: 0xFF, count: 9) + [0x01] } == bad)  // huge length
        #expect(damaged { $0.bytes += Array(repeating: 0xFF, count: 11) } == bad)  // endless number
        #expect(damaged { $0.bytes += [0x0B] } == bad)  // a group
        #expect(damaged { $0.bytes += [0x0F] } == bad)  // wire type 7
        #expect(damaged { $0.bytes += [0x02, 0x00] } == bad)  // field 0
        #expect(damaged { $0.integer(1, 5) } == bad)  // a piece that is a number
        #expect(damaged { $0.piece("abc", score: 0) } == bad)  // twice
        #expect(damaged { $0.piece("<s>", score: 0) } == bad)  // twice, as another type
        #expect(damaged { $0.piece("", score: 0) } == bad)
        #expect(damaged { $0.piece("x", score: .nan) } == bad)
        #expect(damaged { $0.piece("x", score: 0, kind: .max) } == bad)  // type -1
        #expect(damaged { $0.piece("x", score: 0, kind: 7) } == bad)
        #expect(damaged { $0.piece("x", score: 0, kind: 2) } == bad)  // a second unknown
        #expect(damaged { $0.piece("x", score: 0, kind: 6) } == bad)  // not a byte's form
        #expect(damaged { $0.piece(String(repeating: "x", count: 100_000), score: 0) } == bad)
        #expect(damaged { $0.message(1, []) } == bad)
        #expect(damaged { $0.message(1, [0x0A, 0x01, 0xFF]) } == bad)  // not UTF-8
        #expect(damaged { $0.message(1, [0x0A, 0x01, 0x78, 0x12, 0x01, 0x00]) } == bad)  // a score of the wrong type
        #expect(damaged { $0.trainer(byteFallback: false) } == bad)  // bytes without byte_fallback
        #expect(code(of: SentencePieceBuilder.small(byteFallback: false).bytes) == nil)
        #expect(damaged { $0.trainer { $0.float(3, 1) } } == bad)
        #expect(damaged { $0.normalizer { $0.float(3, 1) } } == bad)
    }

    @Test("features that are not implemented are named")
    func unsupported() throws {
        func message(_ change: (inout SentencePieceBuilder) -> Void) -> String {
            var model = SentencePieceBuilder.small()
            change(&model)
            do {
                _ = try Tokenizer(sentencePieceModel: model.bytes)
                return ""
            } catch let error as PVITError {
                return error.code == .unsupportedTokenizer ? error.description : ""
            } catch { return "" }
        }
        #expect(message { $0.trainer(type: 1) }.contains("not a BPE model"))
        #expect(message { $0.normalizer { $0.message(2, [1, 2, 3]) } }.contains("precompiled_charsmap"))
        #expect(message { $0.message(5, [0x12, 0x01, 0x00]) }.contains("denormalizer_spec"))
        #expect(message { $0.trainer { $0.integer(24, 1) } }.contains("treat_whitespace_as_suffix"))
        #expect(message { $0.piece("x", score: 0, kind: 5) }.contains("UNUSED"))
    }

    @Test("without byte fallback, a run of unknown characters is one unknown token")
    func unknownRun() throws {
        let tokenizer = try Tokenizer(sentencePieceModel: SentencePieceBuilder.small(byteFallback: false).bytes)
        #expect(tokenizer.encode("aéèb", addSpecial: false) == [7, 0, 5])
        #expect(tokenizer.decode([7, 0, 5], skipSpecial: false) == "a \u{2047} b")
    }
}
