import Tensors

/// A value while a template is rendered.
indirect enum JinjaValue {
    case undefined
    case none
    case bool(Bool)
    case integer(Int)
    case string(String)
    case list([JinjaValue])
    case dictionary([String: JinjaValue])
    /// What `namespace(…)` makes: assignments to its members are seen outside of loops.
    case namespace(JinjaNamespace)
    /// A function, or a method with the value that it belongs to.
    case function(String, of: JinjaValue?)

    /// Whether the value counts as true in a condition.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let values): !values.isEmpty
        case .dictionary(let members): !members.isEmpty
        case .namespace, .function: true
        }
    }

    /// The value as `{{ }}` writes it.
    func text() throws -> String {
        switch self {
        case .undefined: ""
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .string(let value): value
        case .list, .dictionary, .namespace, .function:
            throw JinjaError.runtime("a list or a function would be written as text")
        }
    }

    /// Python's `==`.
    static func equal(_ left: JinjaValue, _ right: JinjaValue) -> Bool {
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): true
        case (.string(let a), .string(let b)): a == b
        case (.bool, .bool), (.integer, .integer), (.bool, .integer), (.integer, .bool): left.number == right.number
        case (.list(let a), .list(let b)): a.count == b.count && zip(a, b).allSatisfy(equal)
        case (.dictionary(let a), .dictionary(let b)):
            a.count == b.count && a.allSatisfy { key, value in b[key].map { equal($0, value) } ?? false }
        case (.namespace(let a), .namespace(let b)): a === b
        default: false
        }
    }

    /// The number; booleans are 0 and 1.
    var number: Int? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }
}

/// Members that can be assigned from inside a loop.
final class JinjaNamespace {
    var members: [String: JinjaValue]

    init(_ members: [String: JinjaValue]) { self.members = members }
}
