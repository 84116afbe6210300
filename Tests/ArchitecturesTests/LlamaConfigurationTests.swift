import Architectures
import Storage
import Tensors
import Testing

@Suite("A model's configuration")
struct LlamaConfigurationTests {
    private static let valid: JSONObject = [
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "hidden_act": "silu",
        "rms_norm_eps": 1e-05, "rope_theta": 100000.0, "max_position_embeddings": 8192, "tie_word_embeddings": true,
        "bos_token_id": 1, "eos_token_id": 2,
    ]

    private func parse(_ changes: JSONObject) throws -> LlamaConfiguration {
        var json = Self.valid
        for member in changes.members { json[member.key] = member.value }
        return try LlamaConfiguration(parsing: json)
    }

    @Test("every member of a configuration is read")
    func complete() throws {
        let configuration = try parse([:])
        #expect(configuration.hiddenSize == 576)
        #expect(configuration.intermediateSize == 1536)
        #expect(configuration.layerCount == 30)
        #expect(configuration.headCount == 9)
        #expect(configuration.keyValueHeadCount == 3)
        #expect(configuration.headWidth == 64)
        #expect(configuration.vocabularySize == 49152)
        #expect(configuration.normEpsilon == 1e-5)
        #expect(configuration.rotary == RotaryParameters(theta: 100_000, scaling: .none))
        #expect(configuration.maximumPositions == 8192)
        #expect(configuration.tiesOutput)
        #expect(configuration.bosToken == 1)
        #expect(configuration.eosTokens == [2])
    }

    @Test("absent members have the defaults of the LLaMA family")
    func defaults() throws {
        let configuration = try LlamaConfiguration(parsing: [
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "vocab_size": 100, "num_key_value_heads": .null, "rope_scaling": .null, "head_dim": .null,
        ])
        #expect(configuration.keyValueHeadCount == 4)
        #expect(configuration.rotary == RotaryParameters(theta: 10_000, scaling: .none))
        #expect(configuration.normEpsilon == 1e-6)
        #expect(configuration.maximumPositions == 2048)
        #expect(!configuration.tiesOutput)
        #expect(configuration.eosTokens.isEmpty)
    }

    @Test("several EOS tokens, an explicit head width and a sliding window are supported")
    func variants() throws {
        let configuration = try parse([
            "model_type": "mistral", "eos_token_id": [128001, 128009], "head_dim": 128, "sliding_window": 4096,
        ])
        #expect(configuration.eosTokens == [128001, 128009])
        #expect(configuration.headWidth == 128)
        #expect(configuration.trainedPositions == 8192 && configuration.slidingWindow == 4096)
        #expect(configuration.maximumPositions == 4096)
    }

    @Test("rotary scaling is read in the older and the newer spelling")
    func rotaryScaling() throws {
        let linear = RotaryParameters(theta: 100_000, scaling: .linear(factor: 2))
        #expect(try parse(["rope_scaling": ["type": "linear", "factor": 2.0]]).rotary == linear)
        #expect(try parse(["rope_scaling": ["rope_type": "linear", "factor": 2]]).rotary == linear)
        let llama3: JSONObject = [
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        ]
        let scaling = RotaryParameters.Scaling.llama3(
            factor: 8, lowFactor: 1, highFactor: 4, originalPositions: 8192)
        #expect(
            try parse(["rope_scaling": .object(llama3)]).rotary == RotaryParameters(theta: 100_000, scaling: scaling))
        var parameters = llama3
        parameters["rope_theta"] = 500_000
        #expect(
            try parse(["rope_parameters": .object(parameters)]).rotary
                == RotaryParameters(theta: 500_000, scaling: scaling))
    }

    @Test("rope_parameters override the older members, wherever the base is")
    func newerSpelling() throws {
        let plain: JSONObject = ["rope_type": "default", "rope_theta": 500_000]
        let yarn: JSONObject = ["type": "yarn", "factor": 4]
        let expected = RotaryParameters(theta: 500_000, scaling: .none)
        #expect(try parse(["rope_parameters": .object(plain)]).rotary == expected)
        #expect(try parse(["rope_parameters": .object(plain), "rope_scaling": .object(yarn)]).rotary == expected)
        #expect(try parse(["rope_theta": 500_000, "rope_parameters": .object([:])]).rotary == expected)
        #expect(
            try parse(["rope_scaling": ["type": "linear", "factor": 2, "rope_theta": 500_000]]).rotary
                == RotaryParameters(theta: 500_000, scaling: .linear(factor: 2)))
        let nested: JSONValue = ["full_attention": .object(plain), "sliding_attention": ["rope_theta": 10_000]]
        let error = #expect(throws: PVITError.self) { try parse(["rope_parameters": nested]) }
        #expect(error?.code == .modelUnsupported && error?.what.contains("full_attention") == true)
    }

    @Test(
        "the base may be any positive number of single precision",
        arguments: [3_580_165_449, 1e30, 0.5])
    func anyBase(_ theta: Double) throws {
        #expect(try parse(["rope_theta": .number(theta)]).rotary.theta == theta)
    }

    @Test("the original length of LLaMA 3's scaling is read as in transformers 5")
    func originalLength() throws {
        func length(_ changes: JSONObject) throws -> Double? {
            let scaling: JSONObject = ["rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4]
            var changes = changes
            var parameters = scaling
            parameters["original_max_position_embeddings"] = changes["inside"]
            changes["rope_parameters"] = .object(parameters)
            guard case .llama3(_, _, _, let length) = try parse(changes).rotary.scaling else { return nil }
            return length
        }
        #expect(try length(["inside": 4096]) == 4096)
        #expect(try length(["inside": 4096, "original_max_position_embeddings": 2048]) == 2048)
        #expect(try length([:]) == 8192)
    }

    @Test("only a context beyond the trained length gets a note")
    func contextNotes() throws {
        let plain = try parse([:])
        #expect(plain.contextNote(length: 8192) == nil)
        #expect(plain.contextNote(length: 8193)?.contains("8192") == true)
        let windowed = try parse(["model_type": "mistral", "sliding_window": 4096])
        #expect(windowed.contextNote(length: 4096) == nil)
        #expect(windowed.contextNote(length: 4097)?.contains("sliding window of 4096") == true)
        #expect(windowed.contextNote(length: 9000)?.contains("max_position_embeddings") == true)
    }

    @Test(
        "a window that is switched off, or covers the whole context, changes nothing",
        arguments: [
            ["sliding_window": .null], ["sliding_window": 4096, "use_sliding_window": false],
            ["sliding_window": 8192], ["sliding_window": 100_000],
            ["sliding_window": 4096, "layer_types": ["full_attention", "full_attention"]],
        ] as [JSONObject])
    func noWindow(_ changes: JSONObject) throws {
        let configuration = try parse(changes)
        #expect(configuration.slidingWindow == nil && configuration.maximumPositions == 8192)
        #expect(configuration.contextNote(length: 8192) == nil)
    }

    static let hostile: [(String, JSONValue)] = [
        ("hidden_size", 0), ("hidden_size", -576), ("hidden_size", 575), ("hidden_size", 1_000_000_000_000_000_000),
        ("hidden_size", .null), ("hidden_size", "576"), ("hidden_size", 576.5), ("hidden_size", .number(.infinity)),
        ("num_hidden_layers", 1_000_000_000_000_000_000), ("num_hidden_layers", 0), ("num_attention_heads", 0),
        ("num_attention_heads", 7), ("num_key_value_heads", 2), ("num_key_value_heads", 0), ("head_dim", 63),
        ("head_dim", 1_000_000), ("vocab_size", 0), ("vocab_size", 9_000_000_000_000_000_000), ("rms_norm_eps", 0),
        ("rms_norm_eps", -1), ("rms_norm_eps", .number(.nan)), ("rope_theta", 0), ("rope_theta", "10000"),
        ("max_position_embeddings", -1), ("max_position_embeddings", 0), ("rope_theta", 1e39),
        ("intermediate_size", []), ("tie_word_embeddings", 1), ("eos_token_id", -1),
        ("eos_token_id", [1, "2"]), ("bos_token_id", 4_294_967_296), ("rope_scaling", 7),
        ("rope_scaling", ["type": "linear"]), ("rope_scaling", ["type": "linear", "factor": 0]),
        ("rope_scaling", ["type": 3]), ("rope_scaling", ["rope_type": "llama3", "factor": 8]),
        (
            "rope_scaling",
            [
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
                "original_max_position_embeddings": 8192,
            ]
        ),
    ]

    @Test("values out of range are errors", arguments: hostile)
    func outOfRange(_ key: String, _ value: JSONValue) throws {
        let error = #expect(throws: PVITError.self) { try parse([key: value]) }
        #expect(error?.code == .modelConfig)
    }

    static let unsupported: [(String, JSONValue)] = [
        ("model_type", "gpt2"), ("hidden_act", "gelu"), ("attention_bias", true), ("mlp_bias", true),
        ("rope_scaling", ["type": "dynamic", "factor": 2.0]), ("rope_scaling", ["rope_type": "yarn", "factor": 2.0]),
        ("rope_scaling", ["type": "longrope"]), ("rope_scaling", ["type": "su"]), ("partial_rotary_factor", 0.5),
        ("rope_interleaved", true), ("layer_types", ["linear_attention"]), ("model_type", "qwen2"),
        ("model_type", "mixtral"), ("rope_parameters", ["rope_type": "yarn", "factor": 2.0]),
    ]

    @Test("models with another graph are refused, and the member is named", arguments: unsupported)
    func differentGraph(_ key: String, _ value: JSONValue) throws {
        let error = #expect(throws: PVITError.self) { try parse([key: value]) }
        #expect(error?.code == .modelUnsupported && error?.what.contains(key) == true)
        #expect(error?.remedy != nil)
    }
}
