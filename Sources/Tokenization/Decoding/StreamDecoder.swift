import Tensors

/// Turns ids into text as they come. No character is ever split, and all that is given out makes exactly the text that
/// `Tokenizer.decode` gives for all ids.
///
/// Text is given out as soon as it is certain. Where a library's decoder lets later tokens change earlier text, text
/// waits: a run of byte tokens of a tokenizer.json with `ByteFallback` until the run ends, and with special tokens kept
/// in the legacy SentencePiece convention until the next of them or the end.
public struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    // One of these is in use; side by side they can be changed in place.
    private var byteLevel: UTF8Stream?
    private var chain: DecoderChainStream?
    private var sentencePiece: SentencePieceStream?
    /// Whether a token has been joined by spaces.
    private var hasTokens = false
    /// The end of the text that is known already and still comes out of the decoders.
    private var known: ArraySlice<UInt8> = []

    init(_ tokenizer: Tokenizer, skipSpecial: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
        switch tokenizer.engine {
        case .sentencePiece(_, .noPrefix): chain = DecoderChainStream(.pieces)
        case .sentencePiece(_, let convention):
            sentencePiece = SentencePieceStream(convention, skipSpecial: skipSpecial)
        case .bytePair(let json):
            switch json.decoding {
            case .byteLevel: byteLevel = UTF8Stream(.maximalSubparts)
            case .chain(let chain): self.chain = DecoderChainStream(chain)
            case .joinedBySpaces: break
            }
        }
    }

    /// Takes ids whose text is known already: from here on the decoder gives out what further ids add to that text.
    public mutating func skip(_ ids: some Sequence<TokenID>) {
        var output: [UInt8] = []
        for id in ids {
            decode(id, to: &output)
            output.removeAll(keepingCapacity: true)
        }
        var ended = self
        ended.finishDecoding(into: &output)
        known = output[...]
    }

    /// Takes the next id and returns the text that is certain by now. Ids outside the vocabulary are passed over.
    public mutating func append(_ id: TokenID) -> String {
        var output: [UInt8] = []
        append(id, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Returns the rest of the text. The decoder takes no more ids afterwards.
    public mutating func finish() -> String {
        var output: [UInt8] = []
        finish(into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    mutating func append(_ id: TokenID, to output: inout [UInt8]) {
        let start = output.count
        decode(id, to: &output)
        removeKnown(from: start, in: &output)
    }

    mutating func finish(into output: inout [UInt8]) {
        let start = output.count
        finishDecoding(into: &output)
        removeKnown(from: start, in: &output)
    }

    /// Takes what is known already out of new output. Ids that change known text, as the rest of a character does, give
    /// out all that is changed.
    private mutating func removeKnown(from start: Int, in output: inout [UInt8]) {
        guard !known.isEmpty, output.count > start else { return }
        var count = zip(known, output[start...]).prefix { $0 == $1 }.count
        known = start + count < output.count ? [] : known.dropFirst(count)
        // A character is taken out whole or not at all.
        while count > 0, start + count < output.count, UTF8.isContinuation(output[start + count]) { count -= 1 }
        output.removeSubrange(start..<start + count)
    }

    private mutating func decode(_ id: TokenID, to output: inout [UInt8]) {
        guard let piece = tokenizer.pieceBytes(of: id) else { return }
        let isSpecial = tokenizer.isSpecial(id)
        if isSpecial && skipSpecial { return }
        switch tokenizer.engine {
        case .sentencePiece(_, .noPrefix): chain?.append(piece, to: &output)
        case .sentencePiece(let model, _):
            if Int(id.rawValue) < model.file.pieces.count {
                sentencePiece?.append(piece, isSpecial: isSpecial, in: model.file, to: &output)
            } else {
                sentencePiece?.appendAdded(piece, to: &output)
            }
        case .bytePair(let json):
            switch json.decoding {
            case .byteLevel: byteLevel?.append(ByteAlphabet.decode(piece.span), to: &output)
            case .chain: chain?.append(piece, to: &output)
            case .joinedBySpaces:
                if hasTokens { output.append(0x20) }
                output.append(contentsOf: piece)
                hasTokens = true
            }
        }
    }

    private mutating func finishDecoding(into output: inout [UInt8]) {
        byteLevel?.finish(into: &output)
        chain?.finish(into: &output)
        sentencePiece?.finish(into: &output)
    }
}
