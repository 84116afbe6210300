import Storage
import Testing

@testable import Quantization

@Suite("Samples of calibration texts")
struct CalibrationTokensTests {
    private func sequences(_ tokens: CalibrationTokens) -> [[Int]] {
        stride(from: 0, to: tokens.ids.count, by: tokens.length).map { Array(tokens.ids[$0..<$0 + tokens.length]) }
    }

    @Test("sequences are spread from the first token of a text to its last, each after BOS; one in eight is random")
    func spread() throws {
        let text = (0..<5000).map { $0 % 900 }
        let tokens = try CalibrationTokens(texts: [text], beginning: 999, vocabulary: 50, count: 8 * 512)
        let sequences = sequences(tokens)
        #expect(tokens.length == 512 && sequences.count == 8)
        for (number, sequence) in sequences.prefix(7).enumerated() {
            let start = (5000 - 511) * number / 6
            #expect(sequence == [999] + text[start..<start + 511])
        }
        #expect(sequences[7].allSatisfy { (0..<50).contains($0) } && Set(sequences[7]).count > 40)
    }

    @Test("every text gives as many sequences as the others, as far as it goes, and none overlap")
    func shares() throws {
        let long = [Int](repeating: 1, count: 100_000)
        let short = [Int](repeating: 2, count: 1100)
        let medium = [Int](repeating: 3, count: 100_000)
        let tokens = try CalibrationTokens(
            texts: [long, short, medium], beginning: nil, vocabulary: 1, count: 16 * 512)
        let counts = Dictionary(sequences(tokens).map { ($0[0], 1) }, uniquingKeysWith: +)
        #expect(counts == [1: 6, 2: 2, 3: 6, 0: 2])
    }

    @Test("sequences are as short as the shortest text and the model's positions, and shorter texts are refused")
    func short() throws {
        let text = [Int](0..<100)
        #expect(try CalibrationTokens(texts: [text], beginning: nil, vocabulary: 9).length == 100)
        #expect(try CalibrationTokens(texts: [text], beginning: nil, vocabulary: 9, positions: 32).length == 32)
        #expect(try CalibrationTokens(texts: [text], beginning: 7, vocabulary: 9, positions: 1).length == 16)
        for texts in [[Array(text[..<63])], [text, []], []] {
            let error = #expect(throws: PVITError.self) {
                try CalibrationTokens(texts: texts, beginning: nil, vocabulary: 9)
            }
            #expect(error?.code == .badCalibration)
        }
    }

    @Test("a small sample has eight sequences of 64 tokens, none of them random, or one of each text")
    func brief() throws {
        let text = (0..<5000).map { $0 % 900 }
        let tokens = try CalibrationTokens.brief(texts: [text], beginning: 999, positions: 2048)
        let sequences = sequences(tokens)
        #expect(tokens.length == 64 && sequences.count == 8)
        for (number, sequence) in sequences.enumerated() {
            let start = (5000 - 63) * number / 7
            #expect(sequence == [999] + text[start..<start + 63])
        }
        let texts = (0..<9).map { [Int](repeating: $0, count: 100) }
        let many = try CalibrationTokens.brief(texts: texts, beginning: nil, positions: 32)
        #expect(many.length == 32 && self.sequences(many).map { $0[0] } == Array(0..<9))
        #expect(throws: PVITError.self) {
            try CalibrationTokens.brief(texts: [Array(text[..<63])], beginning: nil, positions: 512)
        }
    }
}
