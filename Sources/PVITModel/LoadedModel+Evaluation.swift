import LanguageModel
import Storage
import Tensors
import Tokenization

extension LoadedModel {
    /// A text cut into windows for `Llama.perplexity` and `Llama.divergence`.
    ///
    /// - Parameter text: The bytes of the text; what is not UTF-8 is repaired as the tokenizer's library does.
    /// - Throws: `evaluation.text` when it is too short; `model.token`.
    public func windows(of text: [UInt8], context: Int) throws -> EvaluationWindows {
        let tokens = tokenizer.encode(bytes: text, addSpecial: true, parseSpecial: false)
        try check(tokens)
        // Only a tokenizer that begins texts with a token begins windows with it.
        return try EvaluationWindows(tokens, context: context, beginning: tokenizer.tokensBeforeText.first)
    }

    /// Throws `evaluation.text` unless token ids mean the same to both models.
    public func checkSameVocabulary(as other: LoadedModel) throws {
        let count = tokenizer.vocabularySize
        let isSame =
            count == other.tokenizer.vocabularySize
            && (0..<count).allSatisfy { number in
                let id = TokenID(rawValue: Int32(number))
                return tokenizer.piece(of: id) == other.tokenizer.piece(of: id)
            }
        guard isSame else {
            throw PVITError(
                .evaluationText, "the two models have different vocabularies, so their predictions cannot be compared")
        }
    }
}
