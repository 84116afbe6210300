import Tensors

/// Encodes text as token ids and decodes ids: SentencePiece BPE or byte-level BPE, with added tokens.
///
/// The ids are those of the library that the files were made for: `sentencepiece`, `LlamaTokenizer` of `transformers`,
/// or `tokenizers`. Encoding takes nearly linear time for any text.
package final class Tokenizer: Sendable {
    enum Engine: Sendable {
        case sentencePiece(SentencePieceModel, SentencePieceConvention)
        case bytePair(TokenizerJSON)
    }

    let engine: Engine
    private let pieces: TokenTable
    private let added: AddedVocabulary
    private let template: TokenizerJSON.Template
    /// BOS, the token that begins a text, if there is one.
    package let bosToken: TokenID?
    /// EOS, the token that ends a text, if there is one.
    package let eosToken: TokenID?

    init(
        _ engine: Engine, pieces: TokenTable, added: AddedVocabulary, template: TokenizerJSON.Template,
        bosToken: TokenID?, eosToken: TokenID?
    ) {
        self.engine = engine
        self.pieces = pieces
        self.added = added
        self.template = template
        self.bosToken = bosToken
        self.eosToken = eosToken
    }

    /// The number of tokens. Their ids are `0..<vocabularySize`.
    package var vocabularySize: Int { pieces.count }

    /// The added tokens, by ascending id.
    package var addedTokens: [AddedToken] { added.tokens }

    /// Whether a token is a special token.
    package func isSpecial(_ id: TokenID) -> Bool { added[id]?.isSpecial ?? false }

    /// Whether a token is an added token.
    package func isAdded(_ id: TokenID) -> Bool { added[id] != nil }

    /// The id of the added token with a content. Contents are compared byte by byte.
    package func id(ofAddedToken content: String) -> TokenID? { added.token(withContent: Array(content.utf8))?.id }

    /// The spelling of a token in the vocabulary, such as `▁the`, `Ġthe`, `<0x0A>` or `</s>`; nil outside the
    /// vocabulary.
    package func piece(of id: TokenID) -> String? { pieceBytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

    /// Whether a token is one byte of a character that is not in the vocabulary, such as `<0x0A>`.
    package func isByte(_ id: TokenID) -> Bool {
        guard case .sentencePiece(let model, _) = engine, model.file.kinds.indices.contains(Int(id.rawValue)) else {
            guard case .bytePair(let json) = engine, json.model.options.hasByteFallback else { return false }
            return pieceBytes(of: id).flatMap { ByteToken.byte(of: $0) } != nil
        }
        return model.file.kinds[Int(id.rawValue)] == .byte
    }

    /// The bytes of a token inside a text; nil outside the vocabulary. They need not be whole characters. The bytes of
    /// an added token are those of its content.
    package func bytes(of id: TokenID) -> [UInt8]? {
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
    ///   - addSpecial: Whether to add the tokens that the tokenizer puts around a text, most often BOS.
    ///   - parseSpecial: Whether to parse special tokens in the text. Use false for untrusted text: they are ordinary
    ///     text then. Other added tokens are always parsed.
    /// - Complexity: O(n log n) for n bytes in the worst case, in practice linear.
    package func encode(_ text: String, addSpecial: Bool = true, parseSpecial: Bool = true) -> [TokenID] {
        encode(MarkedText(Array(text.utf8), parseSpecial: parseSpecial), addSpecial: addSpecial)
    }

    /// The ids of a text made of segments. Special tokens are parsed in some of them only.
    ///
    /// A special token is parsed if all of it lies in segments that parse special tokens. Everything between two tokens
    /// is encoded as one text, across the boundaries of segments. The ids are therefore those of the joined text,
    /// unless a segment that does not parse special tokens contains one, or some of its bytes.
    ///
    /// Other added tokens are parsed in all segments, with two exceptions: tokens that are `reserved`, and tokens that
    /// the parsing segments contain, are parsed in those segments only.
    package func encode(
        segments: [TextSegment], addSpecial: Bool = true, reserving reserved: Set<TokenID> = []
    ) -> [TokenID] {
        encode(MarkedText(segments, reserving: reserved), addSpecial: addSpecial)
    }

    /// The ids of a text whose bytes need not be valid UTF-8.
    ///
    /// A SentencePiece tokenizer replaces each invalid byte by U+FFFD, as the `sentencepiece` library does. With a
    /// tokenizer.json, invalid bytes are replaced as Python's `bytes.decode(errors="replace")` does, because the
    /// `tokenizers` library takes only valid text: one U+FFFD for each maximal subpart of a character.
    package func encode(bytes: [UInt8], addSpecial: Bool = true, parseSpecial: Bool = true) -> [TokenID] {
        let policy: UTF8Repair.Policy =
            switch engine {
            case .sentencePiece: .eachByte
            case .bytePair: .maximalSubparts
            }
        return encode(
            MarkedText(UTF8Repair.repair(bytes, policy), parseSpecial: parseSpecial), addSpecial: addSpecial
        )
    }

    /// The ids of a prompt. Special tokens are parsed, and the tokenizer's own are added unless the prompt has them
    /// already: a prompt that begins with `<s>` gets that token once.
    package func encode(prompt text: String) -> [TokenID] { enclose(encode(text, addSpecial: false)) }

    /// The ids of a prompt whose bytes need not be valid UTF-8.
    package func encode(prompt bytes: [UInt8]) -> [TokenID] { enclose(encode(bytes: bytes, addSpecial: false)) }

    /// The ids of a prompt made of segments. Special tokens are parsed in some of them only.
    package func encode(prompt segments: [TextSegment], reserving reserved: Set<TokenID> = []) -> [TokenID] {
        enclose(encode(segments: segments, addSpecial: false, reserving: reserved))
    }

    private func enclose(_ ids: [TokenID]) -> [TokenID] {
        let hasEnd = ids.suffix(template.suffix.count).elementsEqual(template.suffix)
        return (ids.starts(with: template.prefix) ? [] : template.prefix) + ids + (hasEnd ? [] : template.suffix)
    }

    /// The ids that the tokenizer puts before a text.
    package var tokensBeforeText: [TokenID] { template.prefix }

    /// The text of ids.
    ///
    /// Bytes that are not UTF-8 become U+FFFD, as in the library that the files were made for. Ids outside the
    /// vocabulary are skipped.
    ///
    /// - Parameter skipSpecial: Whether to leave out special tokens.
    package func decode(_ ids: some Sequence<TokenID>, skipSpecial: Bool = true) -> String {
        var decoder = makeStreamDecoder(skipSpecial: skipSpecial)
        var output: [UInt8] = []
        for id in ids { decoder.append(id, to: &output) }
        decoder.finish(into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// A decoder that takes one id at a time and never splits a character.
    package func makeStreamDecoder(skipSpecial: Bool = true) -> StreamDecoder {
        StreamDecoder(self, skipSpecial: skipSpecial)
    }

    private func encode(_ text: MarkedText, addSpecial: Bool) -> [TokenID] {
        var ids = addSpecial ? template.prefix : []
        switch engine {
        case .bytePair(let json): encode(text, json, into: &ids)
        case .sentencePiece(let model, .current): encodeOnePrefix(text, model, into: &ids)
        case .sentencePiece(let model, let convention):
            var scratch = MergeScratch()
            for segment in added.segmentsOfSlowTokenizer(in: text) {
                switch segment {
                case .token(let id): ids.append(id)
                case .text(let range):
                    model.encode(
                        text.bytes.span.extracting(range), allowsDummyPrefix: convention != .noPrefix,
                        scratch: &scratch, into: &ids)
                }
            }
        }
        if addSpecial { ids += template.suffix }
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
            for segment in added.segments(in: normalized, isNormalized: true) {
                switch segment {
                case .token(let id): ids.append(id)
                case .text(let subrange):
                    let isStart = range.lowerBound == 0 && subrange.lowerBound == 0
                    json.encode(Array(normalized.bytes[subrange]), isStart: isStart, scratch: &scratch, into: &ids)
                }
            }
        }
    }

    /// `LlamaTokenizer.tokenize` with `legacy: false`: the dummy prefix is put before the whole text, as a character,
    /// and removed again if it is a token of its own before a special token.
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
                model.encode(
                    prefixed.bytes.span.extracting(range), allowsDummyPrefix: false, scratch: &scratch, into: &tokens)
            }
        }
        let isLonePrefix = tokens.count > 1 && pieceBytes(of: tokens[0]) == symbol && isSpecial(tokens[1])
        ids += isLonePrefix ? tokens.dropFirst() : tokens[...]
    }
}
