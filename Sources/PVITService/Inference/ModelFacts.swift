import LanguageModel
import PVITModel
import Tensors
import Tokenization

/// What handlers need to know of a loaded model. Any thread may use it while the model computes.
struct ModelFacts: Sendable {
    /// Turns requests into prompts.
    let prompts: PromptBuilder
    /// The maximum number of positions for a prompt and its answer together.
    let contextLength: Int
    /// The number of requests that are answered at a time.
    let slotCount: Int
    /// The number of tokens in the model's vocabulary.
    let vocabularySize: Int
    /// The number of positions that the model was trained for.
    let trainedLength: Int
    /// The vocabulary for constrained answers.
    let constraintVocabulary: ConstraintVocabulary

    /// Whether the model reads images.
    var seesImages: Bool { prompts.images != nil }
    /// Whether the model reads regions of images.
    var seesRegions: Bool { prompts.images?.preparation.regions != nil }
}
