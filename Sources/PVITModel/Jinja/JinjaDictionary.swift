/// An immutable dictionary in insertion order.
final class JinjaDictionary {
    typealias Entry = (key: JinjaValue, value: JinjaValue)

    let entries: [Entry]
    let depth: Int
    private let indices: [JinjaKey: Int]

    /// Creates an empty dictionary.
    init() {
        entries = []
        indices = [:]
        depth = 1
    }

    /// - Throws: `chat.template` if a key is a list or a dictionary, or if the nesting is too deep.
    init(_ entries: [Entry]) throws {
        var kept: [Entry] = []
        var indices: [JinjaKey: Int] = [:]
        for entry in entries {
            let key = try JinjaKey(entry.key)
            if let index = indices[key] {
                kept[index].value = entry.value
            } else {
                indices[key] = kept.count
                kept.append(entry)
            }
        }
        depth = try jinjaDepth(of: kept.lazy.flatMap { [$0.key, $0.value] })
        self.entries = kept
        self.indices = indices
    }

    subscript(key: JinjaKey) -> JinjaValue? { indices[key].map { entries[$0].value } }

    subscript(name: String) -> JinjaValue? { self[.string(JinjaString(name))] }

    var keys: [JinjaValue] { entries.map(\.key) }

    /// The dictionary with a member added or replaced.
    func setting(_ name: String, _ value: JinjaValue) throws -> JinjaDictionary {
        try JinjaDictionary(entries + [(.text(name), value)])
    }
}

extension JinjaRenderer {
    /// The key of a value. Hashing a string costs its length.
    func key(_ value: JinjaValue) throws -> JinjaKey {
        if case .string(let text) = value { try budget.spend(text.count) }
        return try JinjaKey(value)
    }
}

/// A hashable key. Equal numbers are the same key whatever their type, as in Python.
indirect enum JinjaKey: Hashable {
    case undefined
    case none
    case integer(Int)
    case float(Double)
    case string(JinjaString)
    case tuple([JinjaKey])
    case range(start: Int, count: Int, step: Int)
    case object(ObjectIdentifier)
    case method(String, of: JinjaKey)

    /// - Throws: `chat.template` for values that Python cannot hash.
    init(_ value: JinjaValue) throws {
        switch value {
        case .undefined: self = .undefined
        case .none: self = .none
        case .bool(let value): self = .integer(value ? 1 : 0)
        case .integer(let value): self = .integer(value)
        case .float(let value): self = Int(exactly: value).map { .integer($0) } ?? .float(value)
        case .string(let text): self = .string(text)
        case .list(let list) where list.kind == .tuple: self = .tuple(try list.elements.map { try JinjaKey($0) })
        case .namespace(let namespace): self = .object(ObjectIdentifier(namespace))
        case .iterator(let iterator): self = .object(ObjectIdentifier(iterator))
        case .loop(let loop): self = .object(ObjectIdentifier(loop))
        case .range(let range):
            let isEmpty = range.count == 0
            self = .range(
                start: isEmpty ? 0 : range.start, count: range.count, step: range.count < 2 ? 0 : range.step)
        case .function(.macro(let macro)): self = .object(ObjectIdentifier(macro))
        case .function(.joiner(let counter, _)): self = .object(ObjectIdentifier(counter))
        case .function(.global(let name)): self = .method(name, of: .none)
        case .function(.method(.dictionary(let base), let name)):
            self = .method(name, of: .object(ObjectIdentifier(base)))
        case .function(.method(.list(let base), let name)): self = .method(name, of: .object(ObjectIdentifier(base)))
        case .function(.method(let base, let name)): self = .method(name, of: try JinjaKey(base))
        case .list, .dictionary:
            throw JinjaError.runtime("\(value.typeName) cannot be a key")
        }
    }
}
