import Storage
import Tensors

/// Reads the members of a configuration and checks their ranges. A member that is `null` counts as absent.
package struct ConfigurationReader {
    private let json: JSONObject
    private let title: String
    private let code: PVITError.Code
    private let path: String

    /// Creates a reader of a language model's `config.json`.
    package init(_ json: JSONObject) {
        self.init(json, title: "the model's configuration", code: .modelConfig, path: "")
    }

    /// Creates a reader of a vision tower's configuration in a checkpoint.
    init(tower json: JSONObject) {
        self.init(json, title: "the configuration of the vision model", code: .towerConfig, path: "")
    }

    /// Creates a reader of a vision tower's configuration in a container.
    ///
    /// - Parameter name: The name of the configuration in messages, such as `vision_tower.config`.
    package init(vision json: JSONObject, name: String) {
        self.init(json, title: "the configuration \(name)", code: .visionConfig, path: "")
    }

    /// - Parameter path: The prefix of members' names in messages, such as `rope_scaling.`.
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

    /// A whole number in a range. Without a default it must be present.
    package func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
        try number(key, "a whole number", in: range, default: fallback, \.integer)
    }

    /// A number in a range. Without a default it must be present.
    package func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil
    ) throws -> Double {
        try number(key, "a number", in: range, default: fallback, \.double)
    }

    private func number<Number>(
        _ key: String, _ title: String, in range: ClosedRange<Number>, default fallback: Number?,
        _ convert: (JSONValue) -> Number?
    ) throws -> Number {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw invalid("\(path)\(key) is missing")
        }
        guard let number = convert(value), range.contains(number) else {
            throw invalid("\(path)\(key) is not \(title) from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A boolean, or the default if it is absent.
    package func bool(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key) else { return fallback }
        guard let bool = value.bool else { throw invalid("\(path)\(key) is neither true nor false") }
        return bool
    }

    /// A string, or nil if it is absent.
    package func string(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.string else { throw invalid("\(path)\(key) is not a string") }
        return string
    }

    /// A list of strings; empty if it is absent.
    package func strings(_ key: String) throws -> [String] {
        guard let value = value(key) else { return [] }
        guard let strings = value.array?.map(\.string), !strings.contains(nil) else {
            throw invalid("\(path)\(key) is not a list of strings")
        }
        return strings.compactMap(\.self)
    }

    /// A reader of a member that is an object, or nil if it is absent.
    package func object(_ key: String) throws -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard let object = value.object else { throw invalid("\(path)\(key) is not an object") }
        return ConfigurationReader(object, title: title, code: code, path: "\(path)\(key).")
    }

    /// Token ids, from one number or a list of numbers; empty if the member is absent.
    package func tokens(_ key: String) throws -> [TokenID] {
        guard let value = value(key) else { return [] }
        return try (value.array ?? [value]).map { element in
            guard let number = element.integer, let id = Int32(exactly: number), id >= 0 else {
                throw invalid("\(path)\(key) is not a token id or a list of them")
            }
            return TokenID(rawValue: id)
        }
    }

    /// The error for a member at fault.
    package func invalid(_ what: String) -> PVITError { PVITError(code, "\(title) cannot be used: \(what)") }
}
