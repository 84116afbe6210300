import Storage
import Tensors

/// What wrappers of a model put in front of the names of all its tensors when the wrapper is saved in the model's
/// place.
struct WrapperPrefix: Hashable {
    /// `DataParallel` and its kind, `torch.compile`, and `peft`.
    private static let wrappers = ["module.", "_orig_mod.", "base_model.model."]
    /// More wrappers around each other do not occur.
    private static let maximumDepth = 8

    /// All wrappers' prefixes, outermost first, as one text; empty for a model that is not wrapped.
    let text: String

    /// Finds what all names begin with.
    init(commonTo names: [TensorName]) {
        var text = ""
        for _ in 0..<Self.maximumDepth where !names.isEmpty {
            let next = Self.wrappers.first { wrapper in
                let candidate = text + wrapper
                return names.allSatisfy { $0.rawValue.dropping(prefix: candidate)?.isEmpty == false }
            }
            guard let next else { break }
            text += next
        }
        self.text = text
    }

    /// The name without the prefix.
    func stripped(from name: TensorName) -> TensorName {
        name.rawValue.dropping(prefix: text).map { TensorName($0) } ?? name
    }
}
