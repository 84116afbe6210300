import Quantization
import Storage
import Testing

@Suite("Statistics beside the q4 codebook")
struct CodebookStatisticsTests {
    /// One group of 32 columns as in the example of `formats/blocks.md`, with a second, plain block in the last row.
    private var group: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 288)
        // The first row's first block: shifted, code 15 in column 0 and code 2 in column 4.
        bytes[0] = 0xB8
        bytes[32] = 0x2F
        // The last row's second block: plain, code 7 in column 31, the high four bits of the last byte.
        bytes[16 + 15] = 0x38
        bytes[287] = 0x70
        return bytes
    }

    @Test("codes are counted by index and shift, and blocks of zeros apart")
    func codes() throws {
        var counts = Q4CodeCounts()
        try counts.add(0..<16, of: group.span.bytes, columns: 32)
        #expect(counts.shifted == [14, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        #expect(counts.plain == [15, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(counts.zeroBlocks == 30)
        #expect(counts.shiftedShare == 0.5)
    }

    @Test("rows of padding are not counted, and rows that a tile does not have are refused")
    func rows() throws {
        var counts = Q4CodeCounts()
        try counts.add(0..<15, of: group.span.bytes, columns: 32)
        #expect(counts.count == 16 && counts.zeroBlocks == 29)
        for rows in [0..<17, 1..<4, 16..<32] {
            #expect(throws: PVITError.self) { try counts.add(rows, of: group.span.bytes, columns: 32) }
        }
        #expect(throws: PVITError.self) { try counts.add(0..<16, of: group.span.bytes, columns: 40) }
    }

    @Test("the entropy of codes that occur equally often is 4 bits, and that of one code is 0")
    func entropy() throws {
        #expect(Q4CodeCounts().indexEntropy == nil)
        var all = [UInt8](repeating: 0, count: 288)
        var one = all
        for index in 0..<32 { (all[index], one[index]) = (0x38, 0xB8) }
        // Each index as often as another: bytes 0x01, 0x23, … in turn.
        for index in 32..<288 { all[index] = UInt8(index % 8 * 2) << 4 | UInt8(index % 8 * 2 + 1) }
        var (uniform, single) = (Q4CodeCounts(), Q4CodeCounts())
        try uniform.add(0..<16, of: all.span.bytes, columns: 32)
        try single.add(0..<16, of: one.span.bytes, columns: 32)
        #expect(uniform.indexEntropy == 4)
        #expect(single.indexEntropy == 0 && single.shiftedShare == 1)
    }

    @Test("weights are counted relative to the largest of their block")
    func blocks() {
        var row = [Float](repeating: 0, count: 40)
        // A block whose largest magnitude is 2: −127, 63.5 (nearest to the bin of 64), and zeros.
        (row[0], row[1]) = (-2, 1)
        // The second block is zero; the third has 8 weights, one of them infinite.
        row[33] = .infinity
        var histogram = BlockHistogram()
        histogram.add(rows: row.span, columns: 40)
        #expect(histogram.count == 16)
        #expect(histogram.bins[0] == 1 && histogram.bins[48] == 1 && histogram.bins[32] == 14)
        #expect(
            BlockHistogram.centers[0] == -128 && BlockHistogram.centers[48] == 64 && BlockHistogram.centers[32] == 0)
        #expect(histogram.zeroBlocks == 1 && histogram.notFiniteBlocks == 1)
    }

    @Test("the codebook is the one of the specification")
    func codebook() {
        #expect(
            Q4Codebook.levels == [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 72, 97, 121])
        #expect(Q4Codebook.shift == 5 && Q4Codebook.blockSize == 16)
    }
}
