/// A value of a pickle. Containers are in a `PickleHeap`, so that values can form cycles.
enum PickleValue: Equatable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    /// The object with this index.
    case object(Int32)
}

/// An object of a pickle: always plain data.
struct PickleObject {
    enum Kind: Equatable {
        case string(String)
        /// Bytes, or a text that is not UTF-8.
        case bytes
        /// A whole number of more than 64 bits: its bytes in two's complement, least significant first.
        case wideInteger([UInt8])
        case list
        case tuple
        case set
        /// A `dict`, `OrderedDict` or `Counter`; `items` holds keys and values alternately.
        case dictionary
        case global(TorchGlobal)
        /// A storage, by its index in `PickleHeap.storages`.
        case storage(Int)
        /// A tensor, by its index in `PickleHeap.tensors`.
        case tensor(Int)
        /// A device, a memory format or another object that does not matter for the weights.
        case inert
    }

    let kind: Kind
    /// The elements of a container.
    var items: [PickleValue] = []
}

/// All objects of a pickle. They are released together and without recursion, however deeply they are nested.
struct PickleHeap {
    var objects: [PickleObject] = []
    var storages: [TorchStorage] = []
    var tensors: [TorchTensor] = []

    /// The object that a value refers to, or nil.
    func object(_ value: PickleValue) -> PickleObject? {
        guard case .object(let number) = value else { return nil }
        return objects[Int(number)]
    }

    /// The text of a string, or nil.
    func string(_ value: PickleValue) -> String? {
        guard case .string(let text) = object(value)?.kind else { return nil }
        return text
    }

    /// The elements of a tuple, or nil.
    func tuple(_ value: PickleValue) -> [PickleValue]? {
        guard let object = object(value), object.kind == .tuple else { return nil }
        return object.items
    }

    /// The elements of a list or tuple, or nil.
    func sequence(_ value: PickleValue) -> [PickleValue]? {
        guard let object = object(value), object.kind == .tuple || object.kind == .list else { return nil }
        return object.items
    }

    /// The keys and values of a dictionary, alternately, or nil.
    func dictionary(_ value: PickleValue) -> [PickleValue]? {
        guard let object = object(value), object.kind == .dictionary else { return nil }
        return object.items
    }

    /// The value of a string key of a dictionary, or nil. The last of equal keys is used, as in Python.
    func member(_ key: String, of value: PickleValue) -> PickleValue? {
        guard let items = dictionary(value) else { return nil }
        var result: PickleValue?
        for index in stride(from: 0, to: items.count - 1, by: 2) where string(items[index]) == key {
            result = items[index + 1]
        }
        return result
    }

    /// The tensor, or nil.
    func tensor(_ value: PickleValue) -> TorchTensor? {
        guard case .tensor(let index) = object(value)?.kind else { return nil }
        return tensors[index]
    }
}
