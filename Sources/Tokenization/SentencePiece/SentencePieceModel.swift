import Tensors

/// Encodes text with a SentencePiece BPE model (bpe_model.cc and sentencepiece_processor.cc of `sentencepiece`).
struct SentencePieceModel: Sendable {
    let file: SentencePieceFile
    private let normalizer: SentencePieceNormalizer
    private let userDefined: AddedTokenMatcher
    private let characters: CharacterSymbols
    private let merger: BytePairMerger

    init(_ file: SentencePieceFile) {
        self.file = file
        let userDefined = AddedTokenMatcher(
            file.kinds.indices.filter { file.kinds[$0] == .userDefined }
                .map { AddedTokenMatcher.Pattern(text: Array(file.pieces[$0]), token: $0) })
        self.userDefined = userDefined
        normalizer = SentencePieceNormalizer(file, userDefined: userDefined)
        characters = CharacterSymbols(file.pieces)
        let merges = PieceMerges(file)
        merger = BytePairMerger(merges: .pieces(merges), bridges: merges.bridges(characters))
    }

    /// The ids of a text of valid UTF-8.
    ///
    /// - Parameter allowsDummyPrefix: Whether the model may put a space before the text.
    func encode(_ text: Span<UInt8>, allowsDummyPrefix: Bool, scratch: inout MergeScratch, into ids: inout [TokenID]) {
        let normalized = normalizer.normalize(text, allowsDummyPrefix: allowsDummyPrefix)
        var symbols: [Symbol] = []
        symbols.reserveCapacity(normalized.count)
        let span = normalized.span
        var position = 0
        while position < span.count {
            if let match = userDefined.match(at: position, in: span) {
                symbols.append(Symbol(match.token))
                position = match.range.upperBound
            } else {
                let (value, length) = UTF8Scalars.scalar(in: span, at: position)
                symbols.append(characters.symbol(of: value))
                position += length
            }
        }
        var merged: [Symbol] = []
        merger.merge(symbols.span, scratch: &scratch, into: &merged)
        ids.reserveCapacity(ids.count + merged.count)
        append(merged, to: &ids)
    }

    private func append(_ symbols: [Symbol], to ids: inout [TokenID]) {
        var isAfterUnknown = false
        for symbol in symbols {
            let isUnknown = symbol >= BytePairMerger.character || Int(symbol) == file.unknown
            if !isUnknown {
                ids.append(TokenID(rawValue: Int32(symbol)))
            } else if let bytePieces = file.bytePieces {
                for byte in text(of: symbol) { ids.append(TokenID(rawValue: Int32(bytePieces[Int(byte)]))) }
            } else if !isAfterUnknown {
                // A run of unknown characters is one unknown token.
                ids.append(TokenID(rawValue: Int32(file.unknown)))
            }
            isAfterUnknown = isUnknown
        }
    }

    private func text(of symbol: Symbol) -> [UInt8] {
        guard symbol >= BytePairMerger.character else { return Array(file.pieces[Int(symbol)]) }
        return Array(PieceMerges.text(ofCharacter: symbol))
    }
}

/// The initial symbol of each character: the token that is just this character, or the character itself.
struct CharacterSymbols: Sendable {
    private var ascii = (0..<128).map { BytePairMerger.character + Symbol($0) }
    private var others = IntegerTable()

    /// Creates the map from all findable strings of one character.
    init(_ pieces: TokenTable) {
        for number in 0..<pieces.count {
            pieces.withString(number) { piece in
                guard piece.count > 0, case let first = piece[0],
                    UTF8Scalars.length(startingWith: first) == piece.count,
                    pieces.number(of: piece) == number
                else { return }
                let value = UTF8Scalars.scalar(in: piece, at: 0).value
                if value < 128 {
                    ascii[Int(value)] = Symbol(number)
                } else {
                    others.set(UInt64(value), to: UInt64(number))
                }
            }
        }
    }

    /// The symbol of a character.
    func symbol(of value: UInt32) -> Symbol {
        if value < 128 { return ascii[Int(value)] }
        return others.value(of: UInt64(value)).map { Symbol($0) } ?? BytePairMerger.character + value
    }
}
