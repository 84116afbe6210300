import Tensors

/// Turns text into the ids of a model's vocabulary and back: SentencePiece BPE or byte-level BPE with added tokens.
///
/// Ids are those of the `sentencepiece` library, of `LlamaTokenizer` of `transformers`, or of the `tokenizers` library,
/// whichever the files were made for. Encoding takes time close to linear in the length of the text, whatever the text.
public final class Tokenizer: Sendable {
    enum Engine: Sendable {
        case sentencePiece(SentencePieceModel, SentencePieceConvention)
        case bytePair(TokenizerJSON)
    }

    let engine: Engine
    private let pieces: TokenTable
    private let added: AddedVocabulary
    private let template: TokenizerJSON.Template
    /// The token that begins a text, when there is one.
    public let beginningOfText: TokenID?
    /// The token that ends a text, when there is one.
    public let endOfText: TokenID?

    init(
        _ engine: Engine, pieces: TokenTable, added: AddedVocabulary, template: TokenizerJSON.Template,
        beginningOfText: TokenID?, endOfText: TokenID?
    ) {
        self.engine = engine
        self.pieces = pieces
        self.added = added
        self.template = template
        self.beginningOfText = beginningOfText
        self.endOfText = endOfText
    }

    /// The number of ids; they are 0 to one less.
    public var vocabularySize: Int { pieces.count }

    /// The added tokens, by ascending id.
    public var addedTokens: [AddedToken] { added.tokens }

    /// Whether a token controls the model rather than being text.
    public func isSpecial(_ id: TokenID) -> Bool { added[id]?.isSpecial ?? false }

    /// Whether a token is recognised in a text before the model of the tokenizer sees it.
    public func isAdded(_ id: TokenID) -> Bool { added[id] != nil }

    /// The id of the added token with a text, compared byte by byte.
    public func id(ofAddedToken content: String) -> TokenID? { added.token(withContent: Array(content.utf8))?.id }

    /// The id of a token by its spelling in the vocabulary, such as `▁the`, `Ġthe`, `<0x0A>` or `</s>`.
    public func id(ofPiece piece: String) -> TokenID? {
        if let id = id(ofAddedToken: piece) { return id }
        return pieces.number(of: piece.utf8.span).map { TokenID(rawValue: Int32($0)) }
    }

    /// The spelling of a token in the vocabulary, for display; nil outside the vocabulary.
    public func piece(of id: TokenID) -> String? { pieceBytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

    /// Whether a token stands for one byte of a character that is not in the vocabulary, such as `<0x0A>`.
    public func isByte(_ id: TokenID) -> Bool {
        guard case .sentencePiece(let model, _) = engine, model.file.kinds.indices.contains(Int(id.rawValue)) else {
            guard case .bytePair(let json) = engine, json.model.options.hasByteFallback else { return false }
            return pieceBytes(of: id).flatMap { ByteToken.byte(of: $0) } != nil
        }
        return model.file.kinds[Int(id.rawValue)] == .byte
    }

    /// The bytes that a token stands for inside of a text, which may be a part of a character only; nil outside the
    /// vocabulary. Special and other added tokens stand for what they are written as.
    public func bytes(of id: TokenID) -> [UInt8]? {
        guard let piece = pieceBytes(of: id) else { return nil }
        if added[id] != nil { return piece }
        switch engine {
        case .sentencePiece:
            if isByte(id), let byte = ByteToken.byte(of: piece) { return [byte] }
            return TextNormalizer.replace(SentencePieceNormalizer.spaceSymbol, with: [0x20], in: piece)
        case .bytePair(let json):
            switch json.decoding {
            case .byteLevel: return ByteAlphabet.decode(piece.span)
            case .chain(let chain): return chain.bytes(of: piece)
            case .joinedBySpaces: return piece
            }
        }
    }

    func pieceBytes(of id: TokenID) -> [UInt8]? {
        guard id.rawValue >= 0, Int(id.rawValue) < pieces.count else { return nil }
        return Array(pieces[Int(id.rawValue)])
    }

    /// The ids of a text.
    ///
    /// - Parameters:
    ///   - addBeginning: Whether to add what the tokenizer puts around a text, most often a token that begins it.
    ///   - recogniseSpecial: Whether special tokens written in the text become what they spell. With false they are
    ///     ordinary text, as befits text from strangers; other added tokens are recognised all the same.
    /// - Complexity: O(n log n) for n bytes in the worst case, in practice linear.
    public func encode(_ text: String, addBeginning: Bool = true, recogniseSpecial: Bool = true) -> [TokenID] {
        encode(MarkedText(Array(text.utf8), recogniseSpecial: recogniseSpecial), addBeginning: addBeginning)
    }

    /// The ids of a text that is put together from segments, in only some of which special tokens are recognised.
    ///
    /// A special token counts when all of it stands in segments that recognise it; everything between two tokens is
    /// encoded as one text, across the borders of segments. So the ids are those of the joined text unless a segment
    /// that recognises none spells a special token, or helps to. Other added tokens count everywhere, but for those
    /// that are `reserved` and those that the recognising segments spell, which count there alone.
    public func encode(
        segments: [TextSegment], addBeginning: Bool = true, reserving reserved: Set<TokenID> = []
    ) -> [TokenID] {
        encode(MarkedText(segments, reserving: reserved), addBeginning: addBeginning)
    }

    /// The ids of a text whose bytes need not be valid UTF-8.
    ///
    /// A SentencePiece tokenizer sees U+FFFD for each invalid byte, as the `sentencepiece` library makes of bytes
    /// itself. The `tokenizers` library takes only valid text; a tokenizer.json sees what Python's
    /// `bytes.decode(errors="replace")` would hand to it: U+FFFD for each longest beginning of a character.
    public func encode(bytes: [UInt8], addBeginning: Bool = true, recogniseSpecial: Bool = true) -> [TokenID] {
        let policy: UTF8Repair.Policy =
            switch engine {
            case .sentencePiece: .eachByte
            case .bytePair: .maximalSubparts
            }
        return encode(
            MarkedText(UTF8Repair.repair(bytes, policy), recogniseSpecial: recogniseSpecial), addBeginning: addBeginning
        )
    }

    /// The ids of a text that a model is to continue, special tokens recognised. What the tokenizer puts around a text
    /// is not put there where the text has it already: a prompt that begins with `<s>` has that token once.
    public func encode(prompt text: String) -> [TokenID] { enclose(encode(text, addBeginning: false)) }

    /// The same for a text whose bytes need not be valid UTF-8.
    public func encode(prompt bytes: [UInt8]) -> [TokenID] { enclose(encode(bytes: bytes, addBeginning: false)) }

    /// The same for a text that is put together from segments, in only some of which special tokens are recognised.
    public func encode(prompt segments: [TextSegment], reserving reserved: Set<TokenID> = []) -> [TokenID] {
        enclose(encode(segments: segments, addBeginning: false, reserving: reserved))
    }

    private func enclose(_ ids: [TokenID]) -> [TokenID] {
        let hasEnd = ids.suffix(template.suffix.count).elementsEqual(template.suffix)
        return (ids.starts(with: template.prefix) ? [] : template.prefix) + ids + (hasEnd ? [] : template.suffix)
    }

    /// The ids that the tokenizer puts before a text.
    public var tokensBeforeText: [TokenID] { template.prefix }

    /// The text of ids.
    ///
    /// Bytes that are not UTF-8 become U+FFFD as in the library that the files were made for. Ids outside the
    /// vocabulary are passed over.
    ///
    /// - Parameter skipSpecial: Whether to leave out special tokens.
    public func decode(_ ids: some Sequence<TokenID>, skipSpecial: Bool = true) -> String {
        var decoder = makeStreamDecoder(skipSpecial: skipSpecial)
        var output: [UInt8] = []
        for id in ids { decoder.append(id, to: &output) }
        decoder.finish(into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// A decoder that takes one id after the other and gives out text without ever splitting a character.
    public func makeStreamDecoder(skipSpecial: Bool = true) -> StreamDecoder {
        StreamDecoder(self, skipSpecial: skipSpecial)
    }

    private func encode(_ text: MarkedText, addBeginning: Bool) -> [TokenID] {
        var ids = addBeginning ? template.prefix : []
        switch engine {
        case .bytePair(let json): encode(text, json, into: &ids)
        case .sentencePiece(let model, .current): encodeOnePrefix(text, model, into: &ids)
        case .sentencePiece(let model, let convention):
            var scratch = MergeScratch()
            for segment in added.segmentsOfSlowTokenizer(in: text) {
                switch segment {
                case .token(let id): ids.append(id)
                case .text(let range):
                    let stretch = text.bytes.span.extracting(range)
                    model.encode(
                        stretch, allowsDummyPrefix: convention != .noPrefix, scratch: &scratch, into: &ids)
                }
            }
        }
        if addBeginning { ids += template.suffix }
        return ids
    }

    private func encode(_ text: MarkedText, _ json: TokenizerJSON, into ids: inout [TokenID]) {
        var scratch = BytePairScratch()
        for segment in added.segments(in: text, isNormalized: false) {
            guard case .text(let range) = segment else {
                if case .token(let id) = segment { ids.append(id) }
                continue
            }
            let normalized = json.normalizer.normalize(text[range])
            guard added.hasNormalizedTokens else {
                json.encode(normalized.bytes, isStart: range.lowerBound == 0, scratch: &scratch, into: &ids)
                continue
            }
            for part in added.segments(in: normalized, isNormalized: true) {
                switch part {
                case .token(let id): ids.append(id)
                case .text(let stretch):
                    let isStart = range.lowerBound == 0 && stretch.lowerBound == 0
                    json.encode(Array(normalized.bytes[stretch]), isStart: isStart, scratch: &scratch, into: &ids)
                }
            }
        }
    }

    /// `LlamaTokenizer.tokenize` with `legacy: false`: the dummy prefix is put before the whole text, as a character,
    /// and taken away again when nothing but a special token follows.
    private func encodeOnePrefix(_ text: MarkedText, _ model: SentencePieceModel, into ids: inout [TokenID]) {
        guard !text.bytes.isEmpty else { return }
        let symbol = SentencePieceNormalizer.spaceSymbol
        let prefixed = text.replacing(symbol, with: [0x20]).prepending(symbol)
        var scratch = MergeScratch()
        var tokens: [TokenID] = []
        for segment in added.segmentsOfSlowTokenizer(in: prefixed) {
            switch segment {
            case .token(let id): tokens.append(id)
            case .text(let range):
                let stretch = prefixed.bytes.span.extracting(range)
                model.encode(stretch, allowsDummyPrefix: false, scratch: &scratch, into: &tokens)
            }
        }
        let isLonePrefix = tokens.count > 1 && pieceBytes(of: tokens[0]) == symbol && isSpecial(tokens[1])
        ids += isLonePrefix ? tokens.dropFirst() : tokens[...]
    }
}
