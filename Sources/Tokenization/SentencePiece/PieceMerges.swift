/// The merges of a SentencePiece model: two neighbours are merged if their joint text is a piece, the highest score
/// first.
///
/// Merges are looked up by that text, as in `sentencepiece`. A table of all ways to cut pieces in two would be far
/// larger than what a text needs.
struct PieceMerges: Sendable {
    private let file: SentencePieceFile

    init(_ file: SentencePieceFile) { self.file = file }

    /// `rank << 32 | merged piece`, or nil if the two cannot be merged.
    ///
    /// - Parameter text: Scratch memory.
    func merge(of left: Symbol, _ right: Symbol, text: inout [UInt8]) -> UInt64? {
        text.removeAll(keepingCapacity: true)
        guard append(left, to: &text), append(right, to: &text) else { return nil }
        guard let id = file.pieces.number(of: text.span), file.kinds[id] == .normal else { return nil }
        return UInt64(Self.rank(of: file.scores[id])) << 32 | UInt64(id)
    }

    /// Appends the text of a symbol. Returns false for a user-defined piece, which is never merged.
    private func append(_ symbol: Symbol, to text: inout [UInt8]) -> Bool {
        guard symbol < BytePairMerger.character else {
            text.append(contentsOf: Self.text(ofCharacter: symbol))
            return true
        }
        guard file.kinds[Int(symbol)] != .userDefined else { return false }
        text.append(contentsOf: file.pieces[Int(symbol)])
        return true
    }

    /// The UTF-8 of a symbol that is a character and not a piece.
    static func text(ofCharacter symbol: Symbol) -> Unicode.UTF8.EncodedScalar {
        Unicode.Scalar(symbol - BytePairMerger.character).flatMap { UTF8.encode($0) }
            ?? UTF8.encodedReplacementCharacter
    }

    /// A rank that falls as the score rises. The score must not be NaN. Equal scores have equal ranks.
    ///
    /// The bits of positive floating-point numbers are in ascending order, those of negative ones in descending order.
    static func rank(of score: Float) -> UInt32 {
        let bits = score == 0 ? 0 : score.bitPattern
        return bits >> 31 == 0 ? 0x7FFF_FFFF - bits : bits
    }

    /// The pairs of adjacent characters in all pieces. Only these can be merged.
    func bridges(_ characters: CharacterSymbols) -> PairFilter {
        var bridges = PairFilter(capacity: file.pieces.count)
        for id in file.kinds.indices where file.kinds[id] == .normal {
            file.pieces.withString(id) { piece in
                var (value, position) = UTF8Scalars.scalar(in: piece, at: 0)
                var left = characters.symbol(of: value)
                while position < piece.count {
                    let length: Int
                    (value, length) = UTF8Scalars.scalar(in: piece, at: position)
                    let right = characters.symbol(of: value)
                    bridges.insert(left, right)
                    left = right
                    position += length
                }
            }
        }
        return bridges
    }
}
