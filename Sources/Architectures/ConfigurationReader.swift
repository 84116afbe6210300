import Storage
import Tensors

/// Reads members of a configuration with their ranges checked. A member that is `null` counts as absent.
package struct ConfigurationReader {
    private let json: JSONObject
    private let title: String
    private let code: PVITError.Code
    private let path: String

    /// Creates a reader of a language model's `config.json`.
    package init(_ json: JSONObject) {
        self.init(json, title: "the model's configuration", code: .modelConfig, path: "")
    }

    /// Creates a reader of a vision tower's configuration.
    ///
    /// - Parameter name: What the configuration is called in messages: `vision_tower.config`.
    package init(vision json: JSONObject, name: String) {
        self.init(json, title: "the configuration \(name)", code: .visionConfig, path: "")
    }

    /// - Parameter path: What goes before a member's name in messages, such as `rope_scaling.`.
    private init(_ json: JSONObject, title: String, code: PVITError.Code, path: String) {
        self.json = json
        self.title = title
        self.code = code
        self.path = path
    }

    private func value(_ key: String) -> JSONValue? {
        json[key].flatMap { $0 == .null ? nil : $0 }
    }

    /// The names of the members that are objects, in their order.
    package var objectKeys: [String] { json.members.filter { $0.value.object != nil }.map(\.key) }

    /// A whole number in a range; without a default it must be there.
    package func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw invalid("\(path)\(key) is missing")
        }
        guard let number = value.integer, range.contains(number) else {
            throw invalid("\(path)\(key) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A number in a range; without a default it must be there.
    package func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil
    ) throws -> Double {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw invalid("\(path)\(key) is missing")
        }
        guard let number = value.double, range.contains(number) else {
            throw invalid("\(path)\(key) is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A boolean, or its default.
    package func bool(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key) else { return fallback }
        guard let bool = value.bool else { throw invalid("\(path)\(key) is neither true nor false") }
        return bool
    }

    /// A text, or nil if there is none.
    package func string(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.string else { throw invalid("\(path)\(key) is not a string") }
        return string
    }

    /// A list of texts; empty if there is none.
    package func strings(_ key: String) throws -> [String] {
        guard let value = value(key) else { return [] }
        guard let strings = value.array?.map(\.string), !strings.contains(nil) else {
            throw invalid("\(path)\(key) is not a list of strings")
        }
        return strings.compactMap(\.self)
    }

    /// The reader of a member that is an object, or nil if there is none.
    package func object(_ key: String) throws -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard let object = value.object else { throw invalid("\(path)\(key) is not an object") }
        return ConfigurationReader(object, title: title, code: code, path: "\(path)\(key).")
    }

    /// Token ids given as one number or as a list of numbers.
    package func tokens(_ key: String) throws -> [TokenID] {
        guard let value = value(key) else { return [] }
        return try (value.array ?? [value]).map { element in
            guard let number = element.integer, let id = Int32(exactly: number), id >= 0 else {
                throw invalid("\(path)\(key) is not a token id or a list of them")
            }
            return TokenID(rawValue: id)
        }
    }

    /// The error that says what is wrong with a member.
    package func invalid(_ what: String) -> PVITError { PVITError(code, "\(title) is not usable: \(what)") }
}
