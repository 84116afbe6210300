import Storage
import SystemPackage
import Tensors

extension PVITError.Code {
    /// The weights are quantized by a method that is not supported.
    package static let quantizedCheckpoint = Self("checkpoint.quantized", .badData)
}

/// Hugging Face checkpoints whose weights are quantized already.
package enum QuantizedCheckpoint {
    /// Suffixes of tensors that belong to quantized weights, and the quantizer if only one uses the suffix.
    private static let markers: [(suffix: String, method: String?)] = [
        (".qweight", nil), (".qzeros", nil), (".g_idx", "gptq"), (".weight_packed", "compressed-tensors"),
        (".weight_scale", nil), (".weight_scale_inv", "fp8"), (".SCB", "bitsandbytes"),
        (".weight_format", "bitsandbytes"),
        (".absmax", "bitsandbytes"), (".quant_map", "bitsandbytes"), (".quant_state.bitsandbytes__nf4", "bitsandbytes"),
        (".quant_state.bitsandbytes__fp4", "bitsandbytes"), (".W_q", "hqq"),
    ]
    private static let titles = [
        "gptq": "GPTQ", "awq": "AWQ", "fp8": "FP8", "hqq": "HQQ", "aqlm": "AQLM", "eetq": "EETQ", "mxfp4": "MXFP4",
    ]

    /// The error for a checkpoint with quantized weights, or nil.
    ///
    /// - Parameter config: `config.json`. It does not decide: it may be left over from a model whose weights were
    ///   dequantized.
    package static func error(for tensors: [TensorDescription], config: JSONObject?, path: FilePath) -> PVITError? {
        for tensor in tensors {
            guard let marker = markers.first(where: { tensor.name.rawValue.hasSuffix($0.suffix) }) else { continue }
            return error(
                method: method(in: config) ?? marker.method, config: config, path: path, tensor: tensor.name)
        }
        return nil
    }

    /// Explains an error about an unsupported element type if the configuration names a quantizer.
    static func explain(_ error: PVITError, config: JSONObject?) -> PVITError {
        guard let method = method(in: config) else { return error }
        var explained = Self.error(method: method, config: config, path: "", tensor: error.tensor)
        explained.file = error.file
        explained.bytes = error.bytes
        return explained
    }

    private static func error(
        method: String?, config: JSONObject?, path: FilePath, tensor: TensorName?
    ) -> PVITError {
        let title = method.map { " by \(titles[$0] ?? $0)" } ?? ""
        let settings = settings(in: config)
        let bits = (settings?["bits"]?.integer).map { " to \($0) bits" } ?? ""
        return PVITError(
            .quantizedCheckpoint, "the weights are quantized already\(title)\(bits), which cannot be read", file: path,
            tensor: tensor,
            remedy: "give the checkpoint that they were made from, with weights in float16, bfloat16 or float32")
    }

    private static func settings(in config: JSONObject?) -> JSONValue? {
        config?["quantization_config"] ?? config?["compression_config"] ?? config?["quantization"]
    }

    private static func method(in config: JSONObject?) -> String? {
        guard let settings = settings(in: config), settings != .null else { return nil }
        return settings["quant_method"]?.string ?? (config?["quantization"] == nil ? "an unnamed method" : "MLX")
    }
}
