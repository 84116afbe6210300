import Storage
import Tensors

/// The model of a `tokenizer.json`: byte-pair encoding as the `tokenizers` library does it (models/bpe).
struct BytePairModel: Sendable {
    /// What the words of a text are made of before merging.
    enum Units: Sendable {
        /// The bytes, each under its character of `ByteAlphabet`.
        case bytes
        /// The characters.
        case characters
    }

    /// Switches of the model.
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
    /// The tokens of bytes such as `<0x0A>`, where the vocabulary has them.
    private let byteTokens: [Symbol?]
    /// The token or tokens that each byte begins as, in byte-level models.
    private let byteSymbols: [Symbol]
    /// The tokens, where whole words are tokens without regard to merges.
    private let words: TokenTable?

    /// Creates the model.
    ///
    /// - Parameters:
    ///   - vocabulary: The tokens; the findable ones are the model's own vocabulary.
    ///   - merges: Pairs of ids and what they make, the best first.
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
        // Tokens of bytes and the unknown token are symbols of several characters: where merges use them, their first
        // and last characters say nothing of what can be joined.
        merger = BytePairMerger(merges: .listed(MergeTable(merges)), bridges: canCut ? bridges : nil)
    }

    /// Encodes one word, the result of pre-tokenization, of valid UTF-8.
    func encode(_ word: Span<UInt8>, scratch: inout BytePairScratch, into ids: inout [TokenID]) {
        if let words, let id = number(of: word, in: words, &scratch) {
            ids.append(TokenID(rawValue: Int32(id)))
            return
        }
        // Taken out and put back, so that nothing is copied and no access overlaps another.
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
        for place in word.indices {
            append(byteSymbols[Int(word[place])], unknownIsDue: &unknownIsDue, to: &symbols)
        }
        if unknownIsDue, let unknown = options.unknown { symbols.append(Symbol(unknown.rawValue)) }
    }

    private func appendCharacters(of word: Span<UInt8>, to symbols: inout [Symbol]) {
        var unknownIsDue = false
        var place = 0
        while place < word.count {
            let (value, length) = UTF8Scalars.scalar(in: word, at: place)
            append(characters.symbol(of: value), unknownIsDue: &unknownIsDue, to: &symbols)
            place += length
        }
        if unknownIsDue, let unknown = options.unknown { symbols.append(Symbol(unknown.rawValue)) }
    }

    /// Appends a character's token, or its bytes' tokens, or the unknown token, or nothing, by the rules of
    /// `merge_word`: the unknown token waits for the next character that has a token, and with `fuse_unk` one serves a
    /// whole run.
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

/// Memory that one call of `BytePairModel.encode` after the other uses.
struct BytePairScratch {
    fileprivate var symbols: [Symbol] = []
    fileprivate var merged: [Symbol] = []
    fileprivate var spelling: [UInt8] = []
    fileprivate var merging = MergeScratch()
}
