/// The merges of a SentencePiece model: two neighbours are joined whenever their joint text is a piece, the highest
/// score first. They are looked up by that text, as `sentencepiece` does itself, since there are far more ways to cut
/// all pieces in two than a text ever needs.
struct PieceMerges: Sendable {
    private let file: SentencePieceFile

    init(_ file: SentencePieceFile) { self.file = file }

    /// `rank << 32 | merged piece`, or nil when the two cannot be joined.
    ///
    /// - Parameter text: Memory to use.
    func merge(of left: Symbol, _ right: Symbol, text: inout [UInt8]) -> UInt64? {
        text.removeAll(keepingCapacity: true)
        guard append(left, to: &text), append(right, to: &text) else { return nil }
        guard let id = file.pieces.number(of: text.span), file.kinds[id] == .normal else { return nil }
        return UInt64(Self.rank(of: file.scores[id])) << 32 | UInt64(id)
    }

    /// Appends the text of a symbol; false for a user-defined piece, which is never joined with anything.
    private func append(_ symbol: Symbol, to text: inout [UInt8]) -> Bool {
        guard symbol < BytePairMerger.character else {
            text.append(contentsOf: Self.text(ofCharacter: symbol))
            return true
        }
        guard file.kinds[Int(symbol)] != .userDefined else { return false }
        text.append(contentsOf: file.pieces[Int(symbol)])
        return true
    }

    /// The UTF-8 of a symbol that is a character and no piece.
    static func text(ofCharacter symbol: Symbol) -> Unicode.UTF8.EncodedScalar {
        Unicode.Scalar(symbol - BytePairMerger.character).flatMap { UTF8.encode($0) }
            ?? UTF8.encodedReplacementCharacter
    }

    /// A number that falls as the score, which is a number, rises: the bits of floating-point numbers are in order but
    /// for those below zero, which are in reverse. Equal scores have equal ranks.
    static func rank(of score: Float) -> UInt32 {
        let bits = score == 0 ? 0 : score.bitPattern
        return bits >> 31 == 0 ? 0x7FFF_FFFF - bits : bits
    }

    /// The pairs of characters beside each other in some piece: what merges can join.
    func bridges(_ characters: CharacterSymbols) -> PairFilter {
        var bridges = PairFilter(capacity: file.pieces.count)
        for id in file.kinds.indices where file.kinds[id] == .normal {
            file.pieces.withString(id) { piece in
                var (value, place) = UTF8Scalars.scalar(in: piece, at: 0)
                var left = characters.symbol(of: value)
                while place < piece.count {
                    let length: Int
                    (value, length) = UTF8Scalars.scalar(in: piece, at: place)
                    let right = characters.symbol(of: value)
                    bridges.insert(left, right)
                    left = right
                    place += length
                }
            }
        }
        return bridges
    }
}
