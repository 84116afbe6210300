import Storage

/// A type of JSON values, as the keyword `type` names them.
enum SchemaType: String, CaseIterable, Sendable {
    case null, boolean, integer, number, string, array, object

    /// The types in both sets. An integer is a number.
    static func intersection(_ left: Set<SchemaType>, _ right: Set<SchemaType>) -> Set<SchemaType> {
        var result = left.intersection(right)
        if left.contains(.integer) && right.contains(.number) || left.contains(.number) && right.contains(.integer) {
            result.insert(.integer)
        }
        return result
    }

    /// Whether a value has this type.
    func includes(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.null, .null), (.boolean, .bool), (.number, .integer), (.number, .number), (.string, .string),
            (.array, .array), (.object, .object):
            true
        case (.integer, .integer): true
        case (.integer, .number(let value)): value == value.rounded()
        default: false
        }
    }
}

extension JSONValue {
    /// Whether two values are equal as JSON Schema defines it: numbers by value, objects in any order.
    func isSameValue(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSameValue(as: $1) }
        case (.object(let left), .object(let right)):
            left.members.count == right.members.count
                && left.members.allSatisfy { member in
                    right[member.key].map { member.value.isSameValue(as: $0) } ?? false
                }
        default: numericOrder(beside: other) == 0
        }
    }

    /// -1, 0 or 1 if this number is less than, equal to or greater than another, exactly; nil if either is no number.
    func numericOrder(beside other: JSONValue) -> Int? {
        switch (self, other) {
        case (.integer(let left), .integer(let right)): left < right ? -1 : left == right ? 0 : 1
        case (.number(let left), .number(let right)): left < right ? -1 : left == right ? 0 : 1
        case (.integer(let left), .number(let right)): Self.order(left, right)
        case (.number(let left), .integer(let right)): -Self.order(right, left)
        default: nil
        }
    }

    private static func order(_ left: Int, _ right: Double) -> Int {
        let floor = right.rounded(.down)
        guard let whole = Int(exactly: floor) else { return right > 0 ? -1 : 1 }
        return left < whole ? -1 : left > whole ? 1 : right > floor ? -1 : 0
    }
}
