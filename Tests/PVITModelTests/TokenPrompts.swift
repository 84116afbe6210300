import LanguageModel
import Tensors
import Tokenization
import Vision

@testable import PVITModel

extension Generator {
    /// The tokens of a raw prompt.
    func tokens(ofRaw text: String) -> [TokenID] { model.tokenizer.encode(prompt: text) }

    /// Answers a prompt of tokens.
    func generate(
        _ prompt: [TokenID], _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try model.check(prompt)
        return try generate(
            ModelPrompt(prompt, fixedCount: model.prompts.bosCount(of: prompt)), options, ends: model.endTokens, emit)
    }
}

extension LoadedModel {
    /// Scales decoded pixels for the model.
    func image(_ pixels: PixelImage) throws -> PreparedImage { try prompts.requireImages().preparation.prepare(pixels) }
}
