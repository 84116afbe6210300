/// Where a SentencePiece tokenizer puts and removes dummy prefixes.
package enum SentencePieceConvention: Sendable {
    /// That of the `sentencepiece` library.
    case sentencePiece
    /// That of `LlamaTokenizer` of `transformers` 4.33 and of its "legacy" mode: each segment between added tokens has
    /// its own dummy prefix, and up to two spaces are removed at the start of a decoded segment.
    case legacy
    /// That of `LlamaTokenizer` with `legacy: false`: one dummy prefix for the whole text.
    case current
    /// That of `LlamaTokenizerFast` with `add_prefix_space: false`, regardless of `legacy`: no dummy prefix, and
    /// decoded text is what the pieces spell.
    case noPrefix
}

/// Decodes pieces one at a time, as `SentencePieceProcessor::Decode` does.
private struct PieceStream: Sendable {
    private var bytes = UTF8Stream(.eachByte)
    private var mayStartWithSpace = true
    private var sawStartingSpace = false
    private var isEmpty = true

    mutating func append(_ piece: [UInt8], in file: SentencePieceFile, hasPrefix: Bool, to output: inout [UInt8]) {
        let id = file.pieces.number(of: piece.span)
        let before = output.count
        if let id, file.kinds[id] == .byte, let byte = ByteToken.byte(of: piece) {
            bytes.append(CollectionOfOne(byte), to: &output)
            if output.count > before { isEmpty = false }
            return
        }
        bytes.finish(into: &output)
        if output.count > before { isEmpty = false }
        if sawStartingSpace || !isEmpty { mayStartWithSpace = false }
        sawStartingSpace = false
        let start = output.count
        switch id.map({ file.kinds[$0] }) {
        case .control: break
        case .unknown: output.append(contentsOf: file.unknownSurface)
        case nil: output.append(contentsOf: piece)
        default:
            var text = piece
            if mayStartWithSpace, hasPrefix || file.removesExtraWhiteSpace,
                text.starts(with: SentencePieceNormalizer.spaceSymbol)
            {
                text.removeFirst(SentencePieceNormalizer.spaceSymbol.count)
                sawStartingSpace = !file.removesExtraWhiteSpace
            }
            output.append(
                contentsOf: TextNormalizer.replace(SentencePieceNormalizer.spaceSymbol, with: [0x20], in: text))
        }
        if output.count > start { isEmpty = false }
    }

    mutating func finish(into output: inout [UInt8]) { bytes.finish(into: &output) }
}

/// Decodes the ids of a SentencePiece tokenizer, one at a time.
struct SentencePieceStream: Sendable {
    private let convention: SentencePieceConvention
    /// The pieces since the last added or special token; nil if no segment is open.
    private var pieces: PieceStream?
    private var pieceCount = 0
    private var previousIsSpecial = false
    /// Text that is not output yet.
    private var held: [UInt8] = []
    /// Whether text is held until the next special token, which puts a space before that text.
    private let holdsText: Bool
    private var hasSegments = false

    init(_ convention: SentencePieceConvention, skipSpecial: Bool) {
        self.convention = convention
        holdsText = convention == .legacy && !skipSpecial
    }

    /// Takes an added token that is not a piece of the model.
    mutating func appendAdded(_ content: [UInt8], to output: inout [UInt8]) {
        endSegment(into: &output)
        beginSegment(&output)
        output.append(contentsOf: content)
    }

    /// Takes a piece of the model.
    ///
    /// - Parameter isSpecial: Whether it is a special token, which is output as it is and starts a new segment.
    mutating func append(
        _ piece: [UInt8], isSpecial: Bool, in file: SentencePieceFile, to output: inout [UInt8]
    ) {
        let isFirst = pieces == nil
        if isFirst {
            beginSegment(&output)
            pieces = PieceStream()
            pieceCount = 0
            previousIsSpecial = false
        }
        var piece = piece
        if isFirst, convention != .sentencePiece, piece.starts(with: SentencePieceNormalizer.spaceSymbol) {
            piece.removeFirst(SentencePieceNormalizer.spaceSymbol.count)
        }
        if isSpecial && convention != .sentencePiece {
            pieces?.finish(into: &held)
            if convention == .legacy, !previousIsSpecial, pieceCount > 0 { output.append(0x20) }
            release(into: &output)
            output.append(contentsOf: piece)
            pieces = PieceStream()
        } else {
            let hasPrefix = file.addsDummyPrefix && convention != .current
            pieces?.append(piece, in: file, hasPrefix: hasPrefix, to: &held)
            if !holdsText { release(into: &output) }
        }
        previousIsSpecial = isSpecial
        pieceCount += 1
    }

    private mutating func release(into output: inout [UInt8]) {
        output.append(contentsOf: held)
        held.removeAll(keepingCapacity: true)
    }

    /// Appends the rest of the text to `output`.
    mutating func finish(into output: inout [UInt8]) { endSegment(into: &output) }

    private mutating func beginSegment(_ output: inout [UInt8]) {
        if hasSegments && convention != .sentencePiece { output.append(0x20) }
        hasSegments = true
    }

    private mutating func endSegment(into output: inout [UInt8]) {
        pieces?.finish(into: &held)
        release(into: &output)
        pieces = nil
    }
}
