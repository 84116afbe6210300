import ConstrainedDecoding
import NIOConcurrencyHelpers
import Tensors
import Tokenization

/// The vocabulary in the form that constrained answers need, made when the first of them arrives.
final class ConstraintVocabulary: Sendable {
    private let tokenizer: Tokenizer
    private let size: Int
    private let made = NIOLockedValueBox<VocabularyTrie?>(nil)

    /// - Parameter size: The number of tokens that the model has embeddings of.
    init(_ tokenizer: Tokenizer, size: Int) {
        self.tokenizer = tokenizer
        self.size = size
    }

    /// The bytes of all tokens that are ordinary text.
    var trie: VocabularyTrie {
        made.withLockedValue { made in
            if let made { return made }
            var tokens: [TokenID: [UInt8]] = [:]
            for number in 0..<min(size, tokenizer.vocabularySize) {
                let token = TokenID(rawValue: Int32(number))
                if !tokenizer.isSpecial(token), let bytes = tokenizer.bytes(of: token) { tokens[token] = bytes }
            }
            let trie = VocabularyTrie(tokens, capacity: size)
            made = trie
            return trie
        }
    }
}
