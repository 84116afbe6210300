import Tensors

/// The prefix of all tensor names in a checkpoint that was saved from a wrapper around the model.
struct WrapperPrefix: Hashable {
    /// Of `DataParallel` and similar classes, `torch.compile`, and `peft`.
    private static let wrappers = ["module.", "_orig_mod.", "base_model.model."]
    /// The most nested wrappers.
    private static let maximumDepth = 8

    /// All wrappers' prefixes joined, outermost first; empty for a model that is not wrapped.
    let text: String

    /// Finds the prefix that all names share.
    init(commonTo names: [TensorName]) {
        var text = ""
        for _ in 0..<Self.maximumDepth where !names.isEmpty {
            let next = Self.wrappers.first { wrapper in
                let candidate = text + wrapper
                return names.allSatisfy { $0.rawValue.hasPrefix(candidate) && $0.rawValue != candidate }
            }
            guard let next else { break }
            text += next
        }
        self.text = text
    }

    /// The name without the prefix.
    func stripped(from name: TensorName) -> TensorName {
        text.isEmpty ? name : TensorName(String(name.rawValue.dropFirst(text.count)))
    }
}
