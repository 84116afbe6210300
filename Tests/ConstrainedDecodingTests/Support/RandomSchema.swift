import Storage
import TestSupport

/// Makes schemas of random keywords with small values, so that they meet often.
struct RandomSchema {
    var random: RepeatableRandom

    /// A schema for the whole text, with definitions that its references name.
    mutating func document() -> JSONValue {
        var result = object(depth: 0)
        result["$defs"] = .object(["a": schema(depth: 2), "b": schema(depth: 2)])
        return .object(result)
    }

    private mutating func chance(_ percent: Int) -> Bool { number(below: 100) < percent }

    private mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    private mutating func element<Element>(of list: [Element]) -> Element { list[number(below: list.count)] }

    private mutating func schema(depth: Int) -> JSONValue {
        if chance(8) { return .bool(chance(80)) }
        if chance(10) { return ["$ref": .string(element(of: ["#", "#/$defs/a", "#/$defs/b"]))] }
        return .object(object(depth: depth))
    }

    private mutating func object(depth: Int) -> JSONObject {
        var result = JSONObject()
        let types = ["string", "integer", "number", "boolean", "null", "array", "object"]
        let type = depth > 2 ? types[number(below: 5)] : element(of: types + ["object", "array"])
        if chance(85) {
            result["type"] =
                chance(80) ? .string(type) : .array(types.filter { $0 == type || chance(20) }.map { .string($0) })
        }
        switch type {
        case "string": addString(to: &result)
        case "integer", "number": addNumber(to: &result)
        case "array": addArray(to: &result, depth: depth)
        case "object": addObject(to: &result, depth: depth)
        default: break
        }
        if chance(6) {
            result["enum"] = .array(
                (0..<4).map { _ in element(of: ["a", "ab", 1, 2.5, -3, .null, true, [1], ["a": 1]] as [JSONValue]) })
        }
        for keyword in ["anyOf", "allOf", "oneOf"] where depth < 3 && chance(10) {
            result[keyword] = .array((0..<number(below: 2) + 1).map { _ in schema(depth: depth + 1) })
        }
        return result
    }

    private mutating func addString(to result: inout JSONObject) {
        if chance(30) { result["minLength"] = .integer(number(below: 5)) }
        if chance(30) { result["maxLength"] = .integer(number(below: 8)) }
        if chance(30) {
            result["pattern"] = .string(
                element(of: [
                    "^a", "b$", "^[a-c]*$", "a.c", "^(ab|c)+$", "[^a]", "^\\S{2,4}$", "^\\d+(\\.\\d+)?$", "\"|\\\\",
                    "^.{3}",
                ]))
        }
        if chance(10) {
            result["format"] = .string(element(of: ["date", "time", "date-time", "uuid", "ipv4", "email"]))
        }
    }

    private mutating func addNumber(to result: inout JSONObject) {
        let bounds: [JSONValue] = [-100, -12, -1, 0, 1, 9, 10, 99, 1000, 0.5, -0.25, 2.75, 1e-3, 123456789012]
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] where chance(25) {
            result[keyword] = element(of: bounds)
        }
    }

    private mutating func addArray(to result: inout JSONObject, depth: Int) {
        if chance(70) { result["items"] = schema(depth: depth + 1) }
        if chance(30) {
            result["prefixItems"] = .array((0..<number(below: 3) + 1).map { _ in schema(depth: depth + 1) })
        }
        if chance(30) { result["minItems"] = .integer(number(below: 4)) }
        if chance(30) { result["maxItems"] = .integer(number(below: 5)) }
    }

    private mutating func addObject(to result: inout JSONObject, depth: Int) {
        let keys = ["a", "b", "ab", "é\"", ""]
        if chance(80) {
            var properties = JSONObject()
            for key in keys where chance(45) { properties[key] = schema(depth: depth + 1) }
            result["properties"] = .object(properties)
        }
        if chance(50) { result["required"] = .array(keys.filter { _ in chance(30) }.map { .string($0) }) }
        if chance(50) { result["additionalProperties"] = schema(depth: depth + 1) }
    }
}
