import Tensors

/// Decodes ids one at a time. Never splits a character. All output together is exactly the text that `Tokenizer.decode`
/// gives for all ids.
///
/// Text is returned as soon as it is final. Two decoders let later tokens change earlier text and therefore delay it:
/// `ByteFallback` of a tokenizer.json delays a run of byte tokens until the run ends, and the legacy SentencePiece
/// convention, if special tokens are kept, delays text until the next special token or the end.
package struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    // At most one of these is not nil. An enum could not be mutated in place.
    private var byteLevel: UTF8Stream?
    private var chain: DecoderChainStream?
    private var sentencePiece: SentencePieceStream?
    /// Whether there was a token before, so that a space comes before the next one.
    private var hasTokens = false
    /// The text that the caller knows already and that the decoders will still produce.
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

    /// Takes ids whose text the caller knows already. From here on the decoder returns what further ids add to it.
    package mutating func skip(_ ids: some Sequence<TokenID>) {
        var output: [UInt8] = []
        for id in ids {
            decode(id, to: &output)
            output.removeAll(keepingCapacity: true)
        }
        var ended = self
        ended.finishDecoding(into: &output)
        known = output[...]
    }

    /// Takes the next id and returns the text that has become final. Ids outside the vocabulary are skipped.
    package mutating func append(_ id: TokenID) -> String {
        var output: [UInt8] = []
        append(id, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Returns the rest of the text. Call this once, after the last id.
    package mutating func finish() -> String {
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

    /// Removes text from new output that the caller knows already. If an id changed known text, for example by
    /// completing a character, the changed text stays.
    private mutating func removeKnown(from start: Int, in output: inout [UInt8]) {
        guard !known.isEmpty, output.count > start else { return }
        var count = zip(known, output[start...]).prefix { $0 == $1 }.count
        known = start + count < output.count ? [] : known.dropFirst(count)
        // Remove whole characters only.
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
