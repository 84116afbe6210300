import Storage
import Tokenization

extension TokenizerFiles {
    /// The tokenizer files beside a checkpoint's weights. `Tokenizer(files:)` reads and checks them.
    ///
    /// - Throws: JSON errors.
    package init(of files: SideFiles) throws {
        self.init(
            tokenizerJSON: files[SideFiles.tokenizerJSON], sentencePieceModel: files[SideFiles.sentencePieceModel],
            config: try files.json(SideFiles.tokenizerConfig)?.object,
            specialTokensMap: try files.json(SideFiles.specialTokensMap)?.object,
            addedTokens: try files.json(SideFiles.addedTokens)?.object)
    }
}
