/// Turns ids into text as they come. No character is ever split, and all that is given out makes exactly the text that
/// `Tokenizer.decode` gives for all ids.
///
/// Text is given out as soon as it is certain. Where a library's decoder lets later tokens change earlier text, text
/// waits: a run of byte tokens of a tokenizer.json with `ByteFallback` until the run ends, and with special tokens kept
/// in the legacy SentencePiece convention until the next of them or the end.
public struct StreamDecoder: Sendable {
    private enum State: Sendable {
        case byteLevel(UTF8Stream)
        case chain(DecoderChainStream)
        case joinedBySpaces(isFirst: Bool)
        case sentencePiece(SentencePieceStream)
    }

    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    private var state: State

    init(_ tokenizer: Tokenizer, skipSpecial: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
        switch tokenizer.engine {
        case .sentencePiece(_, let convention):
            state = .sentencePiece(SentencePieceStream(convention, skipSpecial: skipSpecial))
        case .bytePair(let json):
            switch json.decoding {
            case .byteLevel: state = .byteLevel(UTF8Stream(.maximalSubparts))
            case .chain(let chain): state = .chain(DecoderChainStream(chain))
            case .joinedBySpaces: state = .joinedBySpaces(isFirst: true)
            }
        }
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
        guard let piece = tokenizer.pieceBytes(of: id) else { return }
        let isSpecial = tokenizer.isSpecial(id)
        if isSpecial && skipSpecial { return }
        switch state {
        case .byteLevel(var stream):
            stream.append(ByteAlphabet.decode(piece.span), to: &output)
            state = .byteLevel(stream)
        case .chain(var stream):
            stream.append(piece, to: &output)
            state = .chain(stream)
        case .joinedBySpaces(let isFirst):
            if !isFirst { output.append(0x20) }
            output.append(contentsOf: piece)
            state = .joinedBySpaces(isFirst: false)
        case .sentencePiece(var stream):
            guard case .sentencePiece(let model, _) = tokenizer.engine else { return }
            if Int(id.rawValue) < model.file.pieces.count {
                stream.append(piece, isSpecial: isSpecial, in: model.file, to: &output)
            } else {
                stream.appendAdded(piece, to: &output)
            }
            state = .sentencePiece(stream)
        }
    }

    mutating func finish(into output: inout [UInt8]) {
        switch state {
        case .byteLevel(var stream):
            stream.finish(into: &output)
            state = .byteLevel(stream)
        case .chain(var stream):
            stream.finish(into: &output)
            state = .chain(stream)
        case .joinedBySpaces: break
        case .sentencePiece(var stream):
            stream.finish(into: &output)
            state = .sentencePiece(stream)
        }
    }
}
