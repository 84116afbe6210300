import Storage

/// The ways to cut a text into words before byte-level BPE that GGUF files have names for, as the `pre_tokenizer` of a
/// tokenizer.json.
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
        case .llama3: [.split(SplitPattern.llama3.expression), .bytes(cutting: false)]
        case .qwen2: [.split(SplitPattern.qwen2.expression), .bytes(cutting: false)]
        case .unnamed:
            [
                .split(#"[\p{P}\$\+<=>\^~\|]+"#), .split(SplitPattern.gpt2WordsExpression), .split(#"\p{N}+"#),
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
        if steps == [.split(SplitPattern.gpt2.expression), .bytes(cutting: false)] {
            steps = [.bytes(cutting: true)]
        }
        guard let known = Self.allCases.first(where: { $0.steps == steps }) else { return nil }
        self = known
    }
}
