import Storage

/// The ways to cut a text into words before byte-level BPE that GGUF files have names for (`tokenizer.ggml.pre`).
package enum BytePairPreTokenizer: Sendable, CaseIterable {
    /// GPT-2's.
    case gpt2
    /// GPT-2's, with every digit alone: SmolLM, StarCoder.
    case singleDigits
    /// LLaMA 3's.
    case llama3
    /// Qwen 2's.
    case qwen2
    /// What llama.cpp does for files without a name.
    case unnamed

    private static let gpt2Expression =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#
    private static let llama3Expression =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
        + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let qwen2Expression =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
        + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// One component of a `pre_tokenizer`.
    private enum Step: Hashable {
        case split(String)
        case digits
        case bytes(cutting: Bool)

        /// The component in tokenizer.json.
        var json: JSONValue {
            switch self {
            case .split(let expression):
                [
                    "type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated",
                    "invert": false,
                ]
            case .digits: ["type": "Digits", "individual_digits": true]
            case .bytes(let cutting):
                ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(cutting)]
            }
        }

        /// The component of tokenizer.json, or nil when no known name has it.
        init?(_ json: JSONValue) {
            switch json["type"]?.string {
            case "Split":
                let (behavior, isInverted) = (json["behavior"]?.string, json["invert"]?.bool ?? false)
                guard let expression = json["pattern"]?["Regex"]?.string,
                    behavior == "Isolated" && !isInverted || behavior == "Removed" && isInverted
                else { return nil }
                self = .split(expression)
            case "Digits":
                guard json["individual_digits"]?.bool == true else { return nil }
                self = .digits
            case "ByteLevel":
                guard json["add_prefix_space"]?.bool == false else { return nil }
                self = .bytes(cutting: json["use_regex"]?.bool ?? true)
            default: return nil
            }
        }
    }

    private var steps: [Step] {
        switch self {
        case .gpt2: [.bytes(cutting: true)]
        case .singleDigits: [.digits, .bytes(cutting: true)]
        case .llama3: [.split(Self.llama3Expression), .bytes(cutting: false)]
        case .qwen2: [.split(Self.qwen2Expression), .bytes(cutting: false)]
        case .unnamed:
            [
                .split(#"[\p{P}\$\+<=>\^~\|]+"#), .split(Self.gpt2Expression), .split(#"\p{N}+"#),
                .split("[0-9][0-9][0-9]"), .bytes(cutting: false),
            ]
        }
    }

    /// The `pre_tokenizer` of a tokenizer.json.
    package var json: JSONValue {
        let steps = steps.map(\.json)
        return steps.count == 1 ? steps[0] : ["type": "Sequence", "pretokenizers": .array(steps)]
    }

    /// Recognises the `pre_tokenizer` of a tokenizer.json; nil when GGUF has no name for it.
    package init?(json: JSONValue) {
        let parts = json["type"]?.string == "Sequence" ? json["pretokenizers"]?.array ?? [] : [json]
        var steps = parts.compactMap(Step.init)
        guard steps.count == parts.count else { return nil }
        if steps == [.split(Self.gpt2Expression + #"|\s+"#), .bytes(cutting: false)] {
            steps = [.bytes(cutting: true)]
        }
        guard let known = Self.allCases.first(where: { $0.steps == steps }) else { return nil }
        self = known
    }

    /// The one that a GGUF file names, and whether words that are tokens are taken whole without merging; nil for
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
