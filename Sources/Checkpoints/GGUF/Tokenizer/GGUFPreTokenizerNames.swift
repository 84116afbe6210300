import Tokenization

/// The names of `tokenizer.ggml.pre`.
extension BytePairPreTokenizer {
    /// The way that a GGUF file names, and whether words that are tokens are taken whole without merging; nil for
    /// unknown names. Names and switches are those of llama-vocab.cpp.
    package static func named(_ name: String?) -> (kind: BytePairPreTokenizer, ignoresMerges: Bool)? {
        switch name {
        case nil, "default": (.unnamed, false)
        case "gpt-2", "phi-2", "roberta-bpe", "gigachat", "mpt", "olmo", "jais", "trillion", "granite-docling",
            "jina-es", "jina-de", "a.x-4.0", "mellum", "modern-bert":
            (.gpt2, false)
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
            (.singleDigits, false)
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2":
            (.llama3, true)
        case "dbrx", "smaug-bpe": (.llama3, false)
        case "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez": (.qwen2, false)
        default: nil
        }
    }

    /// The name for a GGUF file that llama.cpp reads; nil when there is none.
    package func ggufName(ignoresMerges: Bool) -> String? {
        switch (self, ignoresMerges) {
        case (.gpt2, false): "gpt-2"
        case (.singleDigits, false): "smollm"
        case (.llama3, true): "llama-bpe"
        case (.llama3, false): "smaug-bpe"
        case (.qwen2, false): "qwen2"
        case (.unnamed, false): "default"
        default: nil
        }
    }
}
