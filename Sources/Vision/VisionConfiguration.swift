import Tensors

/// Reads members of a configuration with their ranges checked. A member that is `null` counts as absent.
struct VisionConfiguration {
    private let json: JSONObject
    private let name: String

    /// - Parameter name: What the configuration is called in messages: `vision_tower.config`.
    init(_ json: JSONObject, name: String) {
        self.json = json
        self.name = name
    }

    func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
        guard let value = json[key], value != .null else {
            if let fallback { return fallback }
            throw invalid("\(key) is missing")
        }
        guard let number = value.integer, range.contains(number) else {
            throw invalid("\(key) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ key: String, in range: ClosedRange<Double>, default fallback: Double) throws -> Double {
        guard let value = json[key], value != .null else { return fallback }
        guard let number = value.double, range.contains(number) else {
            throw invalid("\(key) is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func string(_ key: String, default fallback: String) throws -> String {
        guard let value = json[key], value != .null else { return fallback }
        guard let string = value.string else { throw invalid("\(key) is not a string") }
        return string
    }

    func invalid(_ what: String) -> PVITError {
        PVITError(.visionConfig, "the configuration \(name) is not usable: \(what)")
    }
}

extension PVITError.Code {
    /// A member of a vision tower's configuration is absent, malformed or out of range.
    public static let visionConfig = Self("vision.config", .badData)
    /// A vision tower is computed in a way that this program does not implement.
    public static let visionUnsupported = Self("vision.unsupported", .badData)
    /// What a vision tower was given is not what it computes with, such as the wrong number of pixels.
    public static let visionInput = Self("vision.input", .badData)
}
