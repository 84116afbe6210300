/// A value in a template, with Python's semantics.
enum JinjaValue {
    /// An undefined value, with the message for its use.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(JinjaString)
    case list(JinjaList)
    case dictionary(JinjaDictionary)
    case range(JinjaRange)
    /// An iterable that can be consumed once.
    case iterator(JinjaIterator)
    /// The result of `namespace(…)`. Assignments to its members are visible outside loops.
    case namespace(JinjaNamespace)
    case function(JinjaFunction)
    case loop(JinjaLoop)

    static func text(_ text: String) -> JinjaValue { .string(JinjaString(text)) }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }
    var isNone: Bool { if case .none = self { true } else { false } }

    /// The truth value in a condition.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let value): !value.scalars.isEmpty
        case .list(let list): !list.elements.isEmpty
        case .dictionary(let members): !members.entries.isEmpty
        case .range(let range): range.count > 0
        case .loop, .iterator, .namespace, .function: true
        }
    }

    /// The value as a whole number. Booleans are 0 and 1.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The value as a floating-point number.
    var number: Double? {
        if case .float(let value) = self { value } else { integer.map { Double($0) } }
    }

    /// The nesting depth of lists and dictionaries in the value.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dictionary(let members): members.depth
        case .iterator(let iterator): iterator.depth
        case .loop(let loop): loop.valueDepth
        case .function(.method(let base, _)), .function(.joiner(_, separator: let base)): base.depth
        default: 0
        }
    }

    /// The type of the value, for error messages.
    var typeName: String {
        switch self {
        case .undefined: "something undefined"
        case .none: "none"
        case .bool: "a boolean"
        case .integer: "a whole number"
        case .float: "a number"
        case .string: "a string"
        case .list(let list): list.kind == .list ? "a list" : "a tuple"
        case .dictionary: "a dictionary"
        case .range: "a range"
        case .iterator: "an iterator"
        case .namespace: "a namespace"
        case .function: "a function"
        case .loop: "a loop"
        }
    }
}

/// An immutable list or tuple.
final class JinjaList {
    enum Kind {
        case list
        case tuple
        /// A pair of the filter `groupby`, whose elements are named `grouper` and `list`.
        case group
        /// A view of a dictionary's keys, values or items, with its name in Python.
        case view(String)

        static func == (left: Kind, right: Kind) -> Bool {
            switch (left, right) {
            case (.list, .list), (.tuple, .tuple), (.tuple, .group), (.group, .tuple), (.group, .group): true
            default: false
            }
        }
    }

    let elements: [JinjaValue]
    let kind: Kind
    let depth: Int

    init(_ elements: [JinjaValue], _ kind: Kind = .list) throws {
        self.elements = elements
        self.kind = kind
        depth = try jinjaDepth(of: elements)
    }

    /// Whether the elements can be accessed by index.
    var isSequence: Bool { if case .view = kind { false } else { true } }
}

/// The depth of a collection of these values. Releasing it recurses as deep.
///
/// - Throws: `chat.template` if it exceeds the limit.
func jinjaDepth(of values: some Sequence<JinjaValue>) throws -> Int {
    let depth = 1 + (values.lazy.map(\.depth).max() ?? 0)
    guard depth <= JinjaBudget.valueDepth else {
        throw JinjaError.runtime("lists nest more than \(JinjaBudget.valueDepth) deep")
    }
    return depth
}

/// A range of whole numbers in equal steps.
struct JinjaRange {
    let start: Int
    let end: Int
    let step: Int
    static let maximumCount = 100_000

    var count: Int {
        let (distance, overflow) =
            step > 0 ? end.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(end)
        if overflow { return (step > 0) == (end > start) ? .max : 0 }
        guard distance > 0 else { return 0 }
        let size = step.magnitude
        return Int(clamping: (UInt(distance) + size - 1) / size)
    }

    var elements: [JinjaValue] { (0..<count).map { .integer(start + $0 * step) } }
}

/// The result of filters such as `map` and `reverse`. It can be consumed once and has no length.
final class JinjaIterator {
    private var rest: ArraySlice<JinjaValue>
    /// The error that ended the elements. It is thrown only if the consumer gets that far.
    private var failure: (any Error)?
    let depth: Int

    init(_ elements: [JinjaValue], failure: (any Error)? = nil) throws {
        rest = elements[...]
        self.failure = failure
        depth = try jinjaDepth(of: elements)
    }

    /// Maps elements with `change`, leaving out those for which it returns nil.
    static func mapping(
        _ elements: [JinjaValue], _ change: (JinjaValue) throws -> JinjaValue?
    ) throws -> JinjaIterator {
        var made: [JinjaValue] = []
        do {
            for element in elements {
                if let value = try change(element) { made.append(value) }
            }
            return try JinjaIterator(made)
        } catch {
            return try JinjaIterator(made, failure: error)
        }
    }

    func next() throws -> JinjaValue? {
        if let value = rest.popFirst() { return value }
        if let failure { throw failure }
        return nil
    }

    func takeAll() throws -> [JinjaValue] {
        if let failure { throw failure }
        defer { rest = [] }
        return Array(rest)
    }
}

/// An object whose members can be assigned from inside a loop.
final class JinjaNamespace {
    var members: JinjaDictionary

    init(_ members: JinjaDictionary) { self.members = members }
}
