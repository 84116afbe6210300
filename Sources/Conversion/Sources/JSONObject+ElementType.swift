import Storage
import Tensors

extension JSONObject {
    /// Corrects the type of the weights in `config.json`: `torch_dtype`, or `dtype` since version 5 of
    /// `transformers`.
    ///
    /// - Parameter addsIfAbsent: Whether to add the member if it is absent.
    mutating func correctElementType(_ type: ElementType, addsIfAbsent: Bool = false) {
        let name: JSONValue = type == .f16 ? "float16" : type == .bf16 ? "bfloat16" : "float32"
        let keys = ["torch_dtype", "dtype"].filter { self[$0] != nil }
        for key in keys.isEmpty && addsIfAbsent ? ["torch_dtype"] : keys { self[key] = name }
    }
}
