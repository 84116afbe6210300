import Storage

/// A JSON object of a request, whose members are read with their types checked. `null` counts as absent, because some
/// clients send it for what they leave out.
struct RequestObject: Sendable {
    private let object: JSONObject
    /// The path of the object in the request, for messages.
    private let path: String

    /// - Throws: A `ServiceError` if the body is not a JSON object.
    init(body: [UInt8]) throws {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body)
        } catch {
            throw ServiceError(error, whileComputing: false)
        }
        try self.init(value, path: "")
    }

    /// - Throws: A `ServiceError` if the value is not an object.
    init(_ value: JSONValue, path: String) throws {
        guard let object = value.object else {
            throw ServiceError.invalid(
                path.isEmpty ? "the body is not a JSON object" : "\(path) is not an object",
                param: path.isEmpty ? nil : path)
        }
        self.object = object
        self.path = path
    }

    /// The path of a member.
    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// A member of any type; nil if it is absent or null.
    subscript(key: String) -> JSONValue? {
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    /// An error about a member.
    func invalid(_ key: String, _ problem: String) -> ServiceError {
        ServiceError.invalid("\(path(of: key)) \(problem)", param: path(of: key))
    }

    private func read<Value>(_ key: String, _ kind: String, _ convert: (JSONValue) -> Value?) throws -> Value? {
        guard let value = self[key] else { return nil }
        guard let result = convert(value) else { throw invalid(key, "is not \(kind)") }
        return result
    }

    /// A string.
    func string(_ key: String) throws -> String? { try read(key, "a string", \.string) }
    /// A boolean.
    func bool(_ key: String) throws -> Bool? { try read(key, "true or false", \.bool) }
    /// An array.
    func array(_ key: String) throws -> [JSONValue]? { try read(key, "an array", \.array) }

    /// An object.
    func object(_ key: String) throws -> RequestObject? {
        try self[key].map { try RequestObject($0, path: path(of: key)) }
    }

    /// A whole number in a range.
    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = try read(key, "a whole number", \.integer) else { return nil }
        guard range.contains(value) else {
            throw invalid(
                key,
                "is \(value), but it must be "
                    + (range.upperBound == .max
                        ? "\(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"))
        }
        return value
    }

    /// A number in a range.
    func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = try read(key, "a number", \.double) else { return nil }
        guard range.contains(value) else {
            throw invalid(key, "is \(value), but it must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A string, or an array of strings.
    func strings(_ key: String) throws -> [String]? {
        try read(key, "a string or an array of strings") { value in
            if let string = value.string { return [string] }
            guard let array = value.array else { return nil }
            let strings = array.compactMap(\.string)
            return strings.count == array.count ? strings : nil
        }
    }
}
