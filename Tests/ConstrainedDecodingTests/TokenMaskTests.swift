import ConstrainedDecoding
import Tensors
import Testing

@Suite("Sets of tokens")
struct TokenMaskTests {
    @Test("tokens are added and removed, and iterated in order")
    func membership() {
        var mask = TokenMask(capacity: 130)
        #expect(mask.isEmpty && mask.count == 0 && Array(mask) == [])
        for token in [129, 0, 63, 64, 5] as [TokenID] { mask[token] = true }
        #expect(Array(mask) == [0, 5, 63, 64, 129] && mask.count == 5 && !mask.isEmpty)
        mask[63] = false
        #expect(!mask[63] && mask[64] && Array(mask) == [0, 5, 64, 129])
    }

    @Test("tokens beyond the capacity are never in a set")
    func capacity() {
        var mask = TokenMask(capacity: 3)
        for token in [3, 64, -1] as [TokenID] { mask[token] = true }
        #expect(mask.isEmpty && !mask[3] && !mask[-1])
        #expect(TokenMask(capacity: -1).words.isEmpty)
    }
}
