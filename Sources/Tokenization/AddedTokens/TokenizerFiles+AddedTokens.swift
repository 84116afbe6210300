extension TokenizerFiles {
    /// The contents of the special tokens that tokenizer_config.json and special_tokens_map.json name.
    ///
    /// - Throws: `tokenizer.invalid`.
    package var specialTokenTexts: Set<[UInt8]> {
        get throws { Set(try SpecialTokenNames(self).all.map { Array($0.content.utf8) }) }
    }

    /// The tokens that tokenizer_config.json and added_tokens.json add to those of tokenizer.json.
    ///
    /// - Throws: `tokenizer.invalid`.
    package var tokensBesideTokenizerJSON: [AddedToken] {
        get throws { try SpecialTokenNames(self).moreTokensOfFastTokenizer(self) }
    }
}
