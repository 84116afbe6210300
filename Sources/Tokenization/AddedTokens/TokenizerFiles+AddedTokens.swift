extension TokenizerFiles {
    /// The texts that tokenizer_config.json and special_tokens_map.json give a role, or list as special.
    ///
    /// - Throws: `tokenizer.invalid`.
    package var specialTokenTexts: Set<[UInt8]> {
        get throws { Set(try SpecialTokenNames(self).all.map { Array($0.content.utf8) }) }
    }

    /// The tokens that tokenizer_config.json and added_tokens.json add to those that tokenizer.json lists.
    ///
    /// - Throws: `tokenizer.invalid`.
    package var tokensBesideTokenizerJSON: [AddedToken] {
        get throws { try SpecialTokenNames(self).moreTokensOfFastTokenizer(self) }
    }
}
