import Storage
import Tensors

/// The model of a `tokenizer.json`: byte-pair encoding as the `tokenizers` library does it (models/bpe).
struct BytePairModel: Sendable {
    /// The units of a word before merging.
    enum Units: Sendable {
        /// Bytes, each as its character in `ByteAlphabet`.
        case bytes
        /// Characters.
        case characters
    }

    /// Options of the model.
    struct Options: Sendable {
        var unknown: TokenID?
        var fusesUnknown = false
        var hasByteFallback = false
        var ignoresMerges = false
    }

    private let units: Units
    let options: Options
    private let merger: BytePairMerger
    private let characters: CharacterSymbols
    /// The token of each byte, such as `<0x0A>`; nil if the vocabulary does not have it.
    private let byteTokens: [Symbol?]
    /// The initial symbol of each byte, in byte-level models.
    private let byteSymbols: [Symbol]
    /// The tokens, if a word that is a token is not merged (`ignore_merges`).
    private let words: TokenTable?

    /// Creates the model.
    ///
    /// - Parameters:
    ///   - vocabulary: All tokens. Those of the model can be found, added tokens cannot.
    ///   - merges: The merges, by rank.
    init(vocabulary: TokenTable, merges: [ListedMerge], units: Units, options: Options) {
        self.units = units
        self.options = options
        let characters = CharacterSymbols(vocabulary)
        self.characters = characters
        let byteTokens = (0...UInt8.max).map { byte in
            let piece = ByteToken.piece(of: byte)
            return vocabulary.number(of: piece.span).map { Symbol($0) }
        }
        self.byteTokens = byteTokens
        byteSymbols = ByteAlphabet.scalars.map { characters.symbol(of: $0) }
        words = options.ignoresMerges ? vocabulary : nil
        var bridges = PairFilter(capacity: merges.count)
        var canCut = true
        var isUncuttable = Array(repeating: false, count: vocabulary.count)
        for token in byteTokens { if let token { isUncuttable[Int(token)] = true } }
        if let unknown = options.unknown { isUncuttable[Int(unknown.rawValue)] = true }
        for merge in merges {
            if isUncuttable[Int(merge.left)] || isUncuttable[Int(merge.right)] { canCut = false }
            let last = vocabulary.withString(Int(merge.left)) { text in
                UTF8Scalars.scalar(in: text, at: UTF8Scalars.start(before: text.count, in: text)).value
            }
            let first = vocabulary.withString(Int(merge.right)) { UTF8Scalars.scalar(in: $0, at: 0).value }
            bridges.insert(characters.symbol(of: last), characters.symbol(of: first))
        }
        // Byte tokens and the unknown token are initial symbols of several characters. If merges use them, words cannot
        // be cut by the tokens' first and last characters.
        merger = BytePairMerger(merges: .listed(MergeTable(merges)), bridges: canCut ? bridges : nil)
    }

    /// Encodes one word of valid UTF-8, as pre-tokenization makes it.
    func encode(_ word: Span<UInt8>, scratch: inout BytePairScratch, into ids: inout [TokenID]) {
        if let words, let id = number(of: word, in: words, &scratch) {
            ids.append(TokenID(rawValue: Int32(id)))
            return
        }
        // Swapped out and back, so that nothing is copied and accesses do not overlap.
        var symbols: [Symbol] = []
        var merged: [Symbol] = []
        swap(&symbols, &scratch.symbols)
        swap(&merged, &scratch.merged)
        symbols.removeAll(keepingCapacity: true)
        merged.removeAll(keepingCapacity: true)
        switch units {
        case .bytes: appendBytes(of: word, to: &symbols)
        case .characters: appendCharacters(of: word, to: &symbols)
        }
        merger.merge(symbols.span, scratch: &scratch.merging, into: &merged)
        for symbol in merged { ids.append(TokenID(rawValue: Int32(truncatingIfNeeded: symbol))) }
        swap(&symbols, &scratch.symbols)
        swap(&merged, &scratch.merged)
    }

    private func number(of word: Span<UInt8>, in words: TokenTable, _ scratch: inout BytePairScratch) -> Int? {
        guard units == .bytes else { return words.number(of: word) }
        guard word.count <= words.longest else { return nil }
        scratch.spelling.removeAll(keepingCapacity: true)
        ByteAlphabet.encode(word, into: &scratch.spelling)
        return words.number(of: scratch.spelling.span)
    }

    private func appendBytes(of word: Span<UInt8>, to symbols: inout [Symbol]) {
        var unknownIsDue = false
        for position in word.indices {
            append(byteSymbols[Int(word[position])], unknownIsDue: &unknownIsDue, to: &symbols)
        }
        if unknownIsDue, let unknown = options.unknown { symbols.append(Symbol(unknown.rawValue)) }
    }

    private func appendCharacters(of word: Span<UInt8>, to symbols: inout [Symbol]) {
        var unknownIsDue = false
        var position = 0
        while position < word.count {
            let (value, length) = UTF8Scalars.scalar(in: word, at: position)
            append(characters.symbol(of: value), unknownIsDue: &unknownIsDue, to: &symbols)
            position += length
        }
        if unknownIsDue, let unknown = options.unknown { symbols.append(Symbol(unknown.rawValue)) }
    }

    /// Appends the token of a character, or the tokens of its bytes, or the unknown token, or nothing, by the rules of
    /// `merge_word`. The unknown token is delayed until the next character that has a token. With `fuse_unk` a run of
    /// unknown characters has one.
    private func append(_ symbol: Symbol, unknownIsDue: inout Bool, to symbols: inout [Symbol]) {
        if symbol < BytePairMerger.character {
            if unknownIsDue, let unknown = options.unknown { symbols.append(Symbol(unknown.rawValue)) }
            unknownIsDue = false
            symbols.append(symbol)
            return
        }
        if options.hasByteFallback, let scalar = Unicode.Scalar(symbol - BytePairMerger.character),
            let bytes = UTF8.encode(scalar)
        {
            let tokens = bytes.compactMap { byteTokens[Int($0)] }
            if tokens.count == bytes.count {
                symbols.append(contentsOf: tokens)
                return
            }
        }
        guard let unknown = options.unknown else { return }
        if unknownIsDue && !options.fusesUnknown { symbols.append(Symbol(unknown.rawValue)) }
        unknownIsDue = true
    }
}

/// Scratch memory for calls of `BytePairModel.encode`.
struct BytePairScratch {
    fileprivate var symbols: [Symbol] = []
    fileprivate var merged: [Symbol] = []
    fileprivate var spelling: [UInt8] = []
    fileprivate var merging = MergeScratch()
}
