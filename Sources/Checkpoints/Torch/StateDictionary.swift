import Storage
import Tensors

/// Finds the weights among everything that was saved in a checkpoint.
///
/// The weights are in the outermost dictionary, or in its first member called `model`, `state_dict`, `model_state_dict`
/// or `module` that is a dictionary with tensors, and so on inward. Dictionaries inside are flattened; their names are
/// joined with full stops. If the weights are in the outermost dictionary, its members with `optim` or `sched` in their
/// names are skipped. Prefixes of wrappers (`WrapperPrefix`) are removed, and the extra state of modules
/// (`_extra_state`) is left out.
///
/// Tensors elsewhere, such as an optimizer's or a second copy for averaging, are skipped.
struct StateDictionary {
    /// The weights in the order of the dictionary.
    private(set) var weights: [(name: TensorName, tensor: TorchTensor)] = []

    private static let wrappers = ["model", "state_dict", "model_state_dict", "module"]
    private static let extraState = "_extra_state"
    private static let maximumWrapperDepth = 4
    private static let maximumDepth = 32
    private static let maximumNameLength = 4096
    /// The most bytes of all names together, and the most members that are visited.
    private static let maximumWork = 64 << 20

    private let heap: PickleHeap
    private var work = 0

    /// Finds the weights.
    ///
    /// - Throws: `torch.no-weights`, `torch.duplicate-name`, or `torch.pickle-limit`.
    init(_ root: PickleValue, in heap: PickleHeap) throws {
        self.heap = heap
        guard heap.dictionary(root) != nil else {
            throw PVITError(
                .torchNoWeights,
                heap.tensor(root) == nil
                    ? "the file holds no dictionary of tensors" : "the file holds a single tensor without a name",
                remedy: "save the model's state_dict with torch.save")
        }
        var dictionary = root
        for _ in 0..<Self.maximumWrapperDepth {
            guard
                let inner = Self.wrappers.lazy.compactMap({ heap.member($0, of: dictionary) })
                    .first(where: { heap.dictionary($0) != nil && containsTensor($0) })
            else { break }
            dictionary = inner
        }
        try collect(dictionary, prefix: "", depth: 0, isOutermost: dictionary == root)
        guard !weights.isEmpty else {
            throw PVITError(
                .torchNoWeights, "the file holds no dictionary with tensors",
                remedy: "save the model's state_dict with torch.save")
        }
        try nameUniquely()
    }

    private mutating func collect(_ dictionary: PickleValue, prefix: String, depth: Int, isOutermost: Bool) throws {
        guard depth < Self.maximumDepth else {
            throw PVITError(.torchPickleLimit, "the dictionaries of the checkpoint are nested too deeply")
        }
        let items = heap.dictionary(dictionary) ?? []
        for index in stride(from: 0, to: items.count - 1, by: 2) {
            work += 1
            guard work <= Self.maximumWork else {
                throw PVITError(.torchPickleLimit, "the dictionaries of the checkpoint have too many members")
            }
            guard let key = keyText(items[index]) else { continue }
            let value = items[index + 1]
            let tensor = heap.tensor(value)
            guard tensor != nil || heap.dictionary(value) != nil else { continue }
            if isOutermost, tensor == nil, key.contains(bytesOf: "optim") || key.contains(bytesOf: "sched") { continue }
            if key == Self.extraState || key.hasSuffix("." + Self.extraState) { continue }
            let name = prefix + key
            work += name.utf8.count + 16
            guard name.utf8.count <= Self.maximumNameLength, work <= Self.maximumWork else {
                throw PVITError(.torchPickleLimit, "the names of the tensors are longer than those of any model")
            }
            if let tensor {
                weights.append((TensorName(name), tensor))
            } else {
                try collect(value, prefix: name + ".", depth: depth + 1, isOutermost: false)
            }
        }
    }

    private func keyText(_ value: PickleValue) -> String? {
        if case .integer(let number) = value { String(number) } else { heap.string(value) }
    }

    /// Whether a tensor can be reached from a value through dictionaries. Takes time linear in the size of the value.
    private func containsTensor(_ value: PickleValue) -> Bool {
        var pending = [value]
        var seen: Set<Int32> = []
        while let next = pending.popLast() {
            guard case .object(let number) = next, seen.insert(number).inserted else { continue }
            if heap.tensor(next) != nil { return true }
            pending += heap.dictionary(next) ?? []
        }
        return false
    }

    private mutating func nameUniquely() throws {
        let prefix = WrapperPrefix(commonTo: weights.map(\.name))
        weights = weights.map { (prefix.stripped(from: $0.name), $0.tensor) }
        var seen: Set<TensorName> = []
        for weight in weights where !seen.insert(weight.name).inserted {
            throw PVITError(.torchDuplicateName, "two tensors have this name", tensor: weight.name)
        }
    }
}
