/// The masks of configurations for one vocabulary.
struct MaskCache {
    /// The number of masks that are kept.
    private static let limit = 512

    private var vocabulary: ObjectIdentifier?
    private var masks: [Int32: TokenMask] = [:]

    /// The mask of a configuration, if it is known for a vocabulary.
    func mask(of configuration: Int32, for trie: VocabularyTrie) -> TokenMask? {
        vocabulary == ObjectIdentifier(trie) ? masks[configuration] : nil
    }

    /// Keeps a mask.
    mutating func insert(_ mask: TokenMask, of configuration: Int32, for trie: VocabularyTrie) {
        if vocabulary != ObjectIdentifier(trie) || masks.count >= Self.limit { masks.removeAll() }
        vocabulary = ObjectIdentifier(trie)
        masks[configuration] = mask
    }
}
