import LanguageModel
import Storage
import Tensors
import Tokenization

extension LoadedModel {
    /// Tokenizes a text and cuts it into windows for `Llama.perplexity` and `Llama.divergence`.
    ///
    /// - Parameters:
    ///   - text: The bytes of the text. Bytes that are not UTF-8 are repaired as the tokenizer's library does.
    ///   - context: The length of a window, in tokens.
    /// - Throws: `evaluation.text` if the text is too short; `model.token`.
    package func windows(of text: [UInt8], context: Int) throws -> EvaluationWindows {
        let tokens = tokenizer.encode(bytes: text, addSpecial: true, parseSpecial: false)
        try check(tokens)
        // Windows begin with BOS only if the tokenizer puts it before texts.
        return try EvaluationWindows(tokens, context: context, beginning: tokenizer.tokensBeforeText.first)
    }

    /// Checks that token ids mean the same to both models.
    ///
    /// - Throws: `evaluation.text` if they do not.
    package func checkSameVocabulary(as other: LoadedModel) throws {
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
