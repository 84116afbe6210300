import Storage

/// The tokens that pass through a model while it is quantized: sequences of one length.
package struct CalibrationTokens: Sendable, Hashable {
    /// The tokens, sequence after sequence.
    package let ids: [Int]
    /// The number of tokens in each sequence.
    package let length: Int

    /// The number of tokens that a sample of texts has unless stated otherwise.
    package static let defaultCount = 65_536
    /// The smallest text that is sampled.
    private static let minimumTextCount = 64
    /// The length of the sequences that are taken from texts.
    static let textLength = 512
    /// The length of the shortest sequences, for models of fewer positions.
    private static let minimumLength = 16
    /// The length and the number of the sequences of a small sample.
    private static let briefLength = 64
    private static let briefCount = 8
    /// One in so many sequences of a sample of texts is random.
    private static let randomShare = 8

    /// 64 tokens below `vocabulary`: four sequences of 16. They measure the importance of columns.
    ///
    /// More random tokens gain little: 64 are within 2 % of the weighted error that 256 give, 32 within 4 %.
    package static func random(vocabulary: Int) -> CalibrationTokens {
        CalibrationTokens(ids: random(64, vocabulary: vocabulary), length: 16)
    }

    /// A sample of texts: sequences spread evenly over each text, and random tokens, which reach what the texts do not.
    ///
    /// Every text contributes as many sequences as the others, unless it is too short.
    ///
    /// - Parameters:
    ///   - texts: The tokens of each text.
    ///   - beginning: A token put before each sequence (BOS); nil for none.
    ///   - vocabulary: The number of tokens that the model has embeddings for.
    ///   - count: How many tokens the sample has at most; at least one sequence of each text is taken.
    ///   - positions: How many positions the model was trained for.
    /// - Throws: `quantize.calibration` for a text of fewer than 64 tokens.
    package init(
        texts: [[Int]], beginning: Int?, vocabulary: Int, count: Int = defaultCount, positions: Int = textLength
    ) throws {
        let length = try Self.length(min(Self.textLength, max(positions, Self.minimumLength)), texts, beginning)
        let sequences = max(count / length * (Self.randomShare - 1) / Self.randomShare, texts.count)
        let ids = Self.spread(texts, beginning, length: length, count: sequences)
        let randomCount = max(ids.count / length / (Self.randomShare - 1), 1) * length
        self.init(ids: ids + Self.random(randomCount, vocabulary: vocabulary), length: length)
    }

    /// A small sample of texts: 8 sequences of 64 tokens, spread evenly over each text, or more if there are more
    /// texts. It measures sensitivities (`SensitivityMeasurement`).
    ///
    /// - Parameters: As those of the initializer.
    /// - Throws: `quantize.calibration` for a text of fewer than 64 tokens.
    package static func brief(texts: [[Int]], beginning: Int?, positions: Int) throws -> CalibrationTokens {
        let length = try length(min(briefLength, max(positions, minimumLength)), texts, beginning)
        return CalibrationTokens(
            ids: spread(texts, beginning, length: length, count: max(briefCount, texts.count)), length: length)
    }

    /// The length of sequences: `longest`, or less if a text is shorter.
    private static func length(_ longest: Int, _ texts: [[Int]], _ beginning: Int?) throws -> Int {
        guard let shortest = texts.map(\.count).min(), shortest >= minimumTextCount else {
            throw PVITError(
                .badCalibration, "a calibration text has \(texts.map(\.count).min() ?? 0) tokens",
                remedy: "give one of a few pages")
        }
        return min(longest, shortest + (beginning == nil ? 0 : 1))
    }

    /// The tokens of `count` sequences, or fewer if the texts have no more, with a first token before each.
    private static func spread(_ texts: [[Int]], _ beginning: Int?, length: Int, count: Int) -> [Int] {
        let start = beginning.map { [$0] } ?? []
        let taken = length - start.count
        let shares = shares(count, available: texts.map { $0.count / taken })
        var ids: [Int] = []
        for (text, share) in zip(texts, shares) {
            for sequence in 0..<share {
                let first = share == 1 ? 0 : (text.count - taken) * sequence / (share - 1)
                ids += start + text[first..<first + taken]
            }
        }
        return ids
    }

    private init(ids: [Int], length: Int) {
        self.ids = ids
        self.length = length
    }

    /// Divides `total` as evenly as `available` allows. Every share is at least 1.
    private static func shares(_ total: Int, available: [Int]) -> [Int] {
        var shares = available.map { _ in 1 }
        var left = total - shares.count
        while left > 0,
            let next = shares.indices.filter({ shares[$0] < available[$0] }).min(by: { shares[$0] < shares[$1] })
        {
            shares[next] += 1
            left -= 1
        }
        return shares
    }

    private static func random(_ count: Int, vocabulary: Int) -> [Int] {
        var random = RandomSource(seed: 0)
        return (0..<count).map { _ in Int(random.next() % UInt64(max(vocabulary, 1))) }
    }
}
