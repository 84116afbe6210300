import Tensors
import Tokenization

/// Reads members of a `config.json` with their ranges checked. A member that is `null` counts as absent.
struct ConfigurationReader {
    private let json: JSONObject
    private let path: String

    /// - Parameter path: What goes before a member's name in messages, such as `rope_scaling.`.
    init(_ json: JSONObject, path: String = "") {
        self.json = json
        self.path = path
    }

    private func value(_ key: String) -> JSONValue? {
        json[key].flatMap { $0 == .null ? nil : $0 }
    }

    func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw invalid("\(path)\(key) is missing")
        }
        guard let number = value.integer, range.contains(number) else {
            throw invalid("\(path)\(key) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil) throws -> Double {
        guard let value = value(key) else {
            if let fallback { return fallback }
            throw invalid("\(path)\(key) is missing")
        }
        guard let number = value.double, range.contains(number) else {
            throw invalid("\(path)\(key) is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func bool(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key) else { return fallback }
        guard let bool = value.bool else { throw invalid("\(path)\(key) is neither true nor false") }
        return bool
    }

    func string(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.string else { throw invalid("\(path)\(key) is not a string") }
        return string
    }

    func object(_ key: String) throws -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard let object = value.object else { throw invalid("\(path)\(key) is not an object") }
        return ConfigurationReader(object, path: "\(path)\(key).")
    }

    /// Token ids given as one number or as a list of numbers.
    func tokens(_ key: String) throws -> [TokenID] {
        guard let value = value(key) else { return [] }
        return try (value.array ?? [value]).map { element in
            guard let number = element.integer, let id = Int32(exactly: number), id >= 0 else {
                throw invalid("\(path)\(key) is not a token id or a list of them")
            }
            return TokenID(rawValue: id)
        }
    }

    func invalid(_ what: String) -> PVITError {
        PVITError(.modelConfig, "the model's configuration is not usable: \(what)")
    }
}
