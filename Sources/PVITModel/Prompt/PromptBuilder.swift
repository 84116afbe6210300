import Architectures
import Container
import LanguageModel
import Storage
import SystemPackage
import Tensors
import Tokenization
import Vision

/// Turns conversations, texts and images into what a model reads: its tokenizer, its chat template, and what it knows
/// of images. Any thread may use a copy, also while the model computes.
package struct PromptBuilder: Sendable {
    /// The tokenizer.
    package let tokenizer: Tokenizer
    /// The tokens that stand for images and regions; nil if this is not a PVIT model.
    package let pvitTokens: PVITTokens?
    /// What the model knows of images; nil unless this is a PVIT model whose container has a vision tower.
    package let images: ImageInputs?
    /// The tokens that end an answer, whatever the template.
    package let endTokens: Set<TokenID>
    /// Whether special tokens are parsed in messages.
    package var parsesSpecialTokensInMessages = false
    /// The number of tokens that the model has embeddings of.
    let vocabularySize: Int
    /// The maximum memory for decoding an image file, in bytes; nil without a limit.
    let decodingByteCount: Int?
    /// The model's file, for error messages.
    let container: FilePath
    /// The special tokens, by the names of the template variables.
    let tokenNames: [String: String]
    var template: Result<ChatTemplate, any Error>

    /// The chat template.
    ///
    /// - Throws: `chat.template` if the model has no template, or one that cannot be parsed.
    package var chatTemplate: ChatTemplate {
        get throws { try template.get() }
    }

    /// Replaces the model's chat template.
    ///
    /// - Throws: `chat.template` if the text is not a Jinja template.
    mutating func useChatTemplate(_ text: String) throws {
        template = .success(try ChatTemplate(text, tokens: tokenNames))
    }

    /// Adds the texts and tokens that end a turn of the chat template to options.
    ///
    /// - Throws: `chat.template`.
    package func turn(_ options: GenerationOptions) throws -> (options: GenerationOptions, ends: Set<TokenID>) {
        let stops = try chatTemplate.stopTexts
        var options = options
        options.stops += stops
        return (options, endTokens.union(stops.compactMap { tokenizer.id(ofAddedToken: $0) }))
    }

    /// Checks that the model has an embedding of each token. A tokenizer may have more tokens than that, such as a
    /// `<pad>` that was only used in training.
    ///
    /// - Throws: `model.token`.
    package func check(_ tokens: some Sequence<TokenID>) throws {
        guard let token = tokens.first(where: { !(0..<vocabularySize).contains(Int($0.rawValue)) }) else { return }
        guard let piece = tokenizer.piece(of: token) else {
            throw PVITError(
                .modelToken, "there is no token \(token): the vocabulary has \(vocabularySize) tokens")
        }
        throw PVITError(
            .modelToken,
            "the text has the token \"\(piece)\", number \(token), but the model has embeddings for only "
                + "\(vocabularySize) tokens",
            remedy: tokenizer.tokensBeforeText.contains(token)
                ? "the tokenizer adds it to every text: set \"add_bos_token\": false in tokenizer_config.json and "
                    + "convert the model again" : "remove it from the text")
    }

    /// Scales an image for the model, row by row. The whole image is in memory only if its format requires that.
    ///
    /// - Parameters:
    ///   - file: The image file.
    ///   - forRegions: Whether the prompts about it may have regions.
    /// - Throws: `model.no-vision`; `image.memory` if decoding takes more memory than the plan leaves for it; the other
    ///   errors of `image.*`.
    package func image(_ file: borrowing ImageFile, forRegions: Bool = true) throws -> PreparedImage {
        let preparation = try requireImages().preparation
        try file.header.checkDecoding(in: decodingByteCount)
        return try (forRegions ? preparation : preparation.withoutRegions).prepare(file)
    }

    /// Scales an image in memory for the model.
    ///
    /// - Throws: `model.no-vision`.
    package func image(_ image: PixelImage) throws -> PreparedImage {
        try requireImages().preparation.prepare(image)
    }

    /// What the model knows of images.
    ///
    /// - Throws: `model.no-vision` if it cannot read any.
    func requireImages() throws -> ImageInputs {
        if let images { return images }
        guard pvitTokens != nil else {
            throw PVITError(
                .modelNoVision, "this model cannot read images", file: container,
                remedy: "use a PVIT model, or leave the image out")
        }
        throw PVITError(
            .modelNoVision, "the file has no vision tower, so the model cannot read images", file: container,
            remedy: "quantize the model again with --vision-tower CLIP and --region-encoder REGIONCLIP")
    }
}
