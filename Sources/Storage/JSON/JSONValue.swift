/// A JSON text as a value (RFC 8259). Objects keep the order of their members.
package enum JSONValue: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int)
    /// Any other number.
    case number(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object(JSONObject)

    /// The boolean, or nil.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The whole number, or nil. A number such as `1e3` or `4.0` counts as whole.
    package var integer: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }
    /// The number, or nil.
    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// The string, or nil.
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The array, or nil.
    package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The object, or nil.
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The member called `key` of an object; nil if this is not an object or has no such member.
    package subscript(key: String) -> JSONValue? { object?[key] }
}

/// The members of a JSON object in their order. No key occurs twice; keys are compared by their bytes, as RFC 8259
/// compares names.
package struct JSONObject: Sendable, Equatable {
    /// A key and its value.
    package struct Member: Sendable, Equatable {
        /// The key.
        package let key: String
        /// The value.
        package var value: JSONValue
    }

    /// The members in their order.
    package private(set) var members: [Member] = []
    private var indices: [ExactText: Int] = [:]

    /// Creates an object without members.
    package init() {}

    /// The value of a key; setting appends or replaces, and nil removes (in linear time).
    package subscript(key: String) -> JSONValue? {
        get { indices[ExactText(key)].map { members[$0].value } }
        set {
            switch (indices[ExactText(key)], newValue) {
            case (let index?, let value?): members[index].value = value
            case (nil, let value?): append(value, for: key)
            case (let index?, nil):
                members.remove(at: index)
                indices = Dictionary(uniqueKeysWithValues: members.enumerated().map { (ExactText($1.key), $0) })
            case (nil, nil): break
            }
        }
    }

    /// Appends a member; returns false, and changes nothing, if the key exists.
    @discardableResult
    package mutating func append(_ value: JSONValue, for key: String) -> Bool {
        let text = ExactText(key)
        if let index = indices.updateValue(members.count, forKey: text) {
            indices[text] = index
            return false
        }
        members.append(Member(key: key, value: value))
        return true
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// Creates an object from a literal. The last of equal keys counts.
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        for (key, value) in elements { self[key] = value }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    package init(stringLiteral value: String) { self = .string(value) }
    /// A whole number.
    package init(integerLiteral value: Int) { self = .integer(value) }
    /// A number.
    package init(floatLiteral value: Double) { self = .number(value) }
    /// A boolean.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object. The last of equal keys counts.
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}
