import Storage

extension PVITError.Code {
    /// A tokenizer file is malformed.
    package static let badTokenizer = Self("tokenizer.invalid", .badData)
    /// A tokenizer file needs a feature that is not implemented.
    package static let unsupportedTokenizer = Self("tokenizer.unsupported", .badData)
    /// A checkpoint has no tokenizer file.
    package static let missingTokenizer = Self("tokenizer.missing", .missingInput)
}

extension PVITError {
    /// The error for a malformed tokenizer file.
    static func badTokenizer(_ what: String) -> PVITError { PVITError(.badTokenizer, what) }

    /// The error for a feature that is not implemented. An approximation would silently give wrong ids.
    static func unsupportedTokenizer(_ what: String) -> PVITError {
        PVITError(
            .unsupportedTokenizer, what,
            remedy: "use a model with LLaMA-style SentencePiece BPE or byte-level BPE (GPT-2, LLaMA-3, Qwen2, SmolLM)")
    }
}

/// Limits on tokenizer files. The largest published vocabularies stay far below them.
enum TokenizerLimits {
    /// The largest number of tokens in a vocabulary.
    static let vocabularyCount = 1 << 22
    /// The longest added token and the longest piece of a SentencePiece model, in bytes. Matching takes at most this
    /// many steps per byte of text.
    static let pieceByteCount = 512
    /// The longest token of a tokenizer.json, in bytes.
    static let tokenByteCount = 1 << 16
    /// The largest number of steps in a component of a tokenizer.json.
    static let stepCount = 32
    /// The largest factor by which the replacements in a component of a tokenizer.json may lengthen a text.
    static let expansion = 64
    /// The largest number of ids that a tokenizer may put around a text.
    static let templateCount = 64
    /// The longest `tokenizer.model`, in bytes.
    static let sentencePieceByteCount = 8 << 20
}
