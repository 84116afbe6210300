import Storage

extension PVITError.Code {
    /// A tokenizer file is not what its format says.
    public static let badTokenizer = Self("tokenizer.invalid", .badData)
    /// A tokenizer file is well-formed and asks for something that is not implemented.
    public static let unsupportedTokenizer = Self("tokenizer.unsupported", .badData)
    /// A checkpoint has no tokenizer file.
    public static let missingTokenizer = Self("tokenizer.missing", .missingInput)
}

extension PVITError {
    /// A tokenizer file that contradicts its format.
    static func badTokenizer(_ what: String) -> PVITError { PVITError(.badTokenizer, what) }

    /// A component that would have to be approximated, which would give wrong ids without a word.
    static func unsupportedTokenizer(_ what: String) -> PVITError {
        PVITError(
            .unsupportedTokenizer, what,
            remedy: "supported are LLaMA-style SentencePiece BPE and byte-level BPE (GPT-2, LLaMA-3, Qwen2, SmolLM)")
    }
}

/// Bounds on tokenizer files; the largest published vocabularies stay far below them.
enum TokenizerLimits {
    /// The most ids that a vocabulary may have.
    static let vocabularyCount = 1 << 22
    /// The longest added token and the longest piece that merges may build in a SentencePiece model, in bytes. Matching
    /// costs at most this many steps for each byte of text.
    static let pieceByteCount = 512
    /// The longest token of a tokenizer.json, in bytes.
    static let tokenByteCount = 1 << 16
    /// The most steps that a component of a tokenizer.json may have.
    static let stepCount = 32
    /// How many times longer the replacements of a component of a tokenizer.json may make a text.
    static let expansion = 64
    /// The most ids that a tokenizer may put around a text.
    static let templateCount = 64
    /// The longest `tokenizer.model`, in bytes.
    static let sentencePieceByteCount = 8 << 20
}
