/// How text and ids are joined around a SentencePiece model.
public enum SentencePieceConvention: Sendable {
    /// As the `sentencepiece` library itself.
    case sentencePiece
    /// As `LlamaTokenizer` of `transformers` 4.33 and its "legacy" mode: every stretch between added tokens has its own
    /// dummy prefix, and the first space of a decoded stretch goes away twice.
    case legacy
    /// As `LlamaTokenizer` with `legacy: false`: one dummy prefix for the whole text.
    case current
    /// As `LlamaTokenizerFast` with `add_prefix_space: false`, whatever `legacy` says: no dummy prefix, and decoded
    /// text is what the pieces spell.
    case noPrefix
}

/// Decodes pieces as `SentencePieceProcessor::Decode` does, one after the other.
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

/// Decodes the ids of a SentencePiece tokenizer, one after the other.
struct SentencePieceStream: Sendable {
    private let convention: SentencePieceConvention
    /// The pieces since the last added token or special token; nil when no stretch of pieces is open.
    private var pieces: PieceStream?
    private var pieceCount = 0
    private var previousIsSpecial = false
    /// Text that is not given out yet.
    private var held: [UInt8] = []
    /// Whether text waits: a special token puts a space before the text in front of it.
    private let holdsText: Bool
    private var hasStretches = false

    init(_ convention: SentencePieceConvention, skipSpecial: Bool) {
        self.convention = convention
        holdsText = convention == .legacy && !skipSpecial
    }

    /// Takes an added token that is no piece of the model.
    mutating func appendAdded(_ content: [UInt8], to output: inout [UInt8]) {
        endStretch(into: &output)
        beginStretch(&output)
        output.append(contentsOf: content)
    }

    /// Takes a piece of the model.
    ///
    /// - Parameter isSpecial: Whether it is a special token: written as it is, and the pieces behind it decoded anew.
    mutating func append(
        _ piece: [UInt8], isSpecial: Bool, in file: SentencePieceFile, to output: inout [UInt8]
    ) {
        let isFirst = pieces == nil
        if isFirst {
            beginStretch(&output)
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
            giveOut(into: &output)
            output.append(contentsOf: piece)
            pieces = PieceStream()
        } else {
            let hasPrefix = file.addsDummyPrefix && convention != .current
            pieces?.append(piece, in: file, hasPrefix: hasPrefix, to: &held)
            if !holdsText { giveOut(into: &output) }
        }
        previousIsSpecial = isSpecial
        pieceCount += 1
    }

    private mutating func giveOut(into output: inout [UInt8]) {
        output.append(contentsOf: held)
        held.removeAll(keepingCapacity: true)
    }

    /// Appends to `output` what is left.
    mutating func finish(into output: inout [UInt8]) { endStretch(into: &output) }

    private mutating func beginStretch(_ output: inout [UInt8]) {
        if hasStretches && convention != .sentencePiece { output.append(0x20) }
        hasStretches = true
    }

    private mutating func endStretch(into output: inout [UInt8]) {
        pieces?.finish(into: &held)
        giveOut(into: &output)
        pieces = nil
    }
}
