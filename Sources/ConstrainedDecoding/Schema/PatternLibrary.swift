import Storage

/// The compiled patterns and formats of a schema, each once.
struct PatternLibrary {
    private var patterns: [ExactText: PatternAutomaton] = [:]

    /// The strings in which a regular expression is found.
    mutating func pattern(_ text: String, at pointer: String) throws -> PatternAutomaton {
        if let known = patterns[ExactText(text)] { return known }
        let node: PatternNode
        do {
            node = try PatternParser.parse(text)
        } catch .malformed(let what) {
            throw PVITError.schemaInvalid("the pattern is malformed: \(what)", at: pointer)
        } catch .unsupported(let what) {
            throw PVITError.schemaUnsupported("the pattern uses what is not supported: \(what)", at: pointer)
        }
        let pattern = try PatternAutomaton(node)
        patterns[ExactText(text)] = pattern
        return pattern
    }

    /// The strings that are generated for a format; nil for an unknown format.
    mutating func format(_ name: String) throws -> PatternAutomaton? {
        try StringFormat(rawValue: name).map { try pattern("^(?:\($0.expression))$", at: "") }
    }
}

/// The values of the keyword `format` that are supported.
enum StringFormat: String {
    case date, time, email, hostname, ipv4, uuid
    case dateTime = "date-time"

    /// A regular expression for the strings that are generated. All of them have the format.
    var expression: String {
        switch self {
        case .date: Self.fullDate
        case .time: Self.fullTime
        case .dateTime: "(?:\(Self.fullDate))T\(Self.fullTime)"
        case .email: "\(Self.localPart)@(?:\(Self.label)\\.){1,2}[A-Za-z]{2,20}"
        case .hostname: "(?:\(Self.label)\\.){1,3}[A-Za-z]{2,20}"
        case .ipv4: "\(Self.byte)(?:\\.\(Self.byte)){3}"
        case .uuid: "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
        }
    }

    /// RFC 3339's `full-date` from the year 1 on. 29 February is in leap years only.
    private static let fullDate = #"""
        (?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|\#
        (?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|\#
        (?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29
        """#
    /// RFC 3339's `full-time` without leap seconds.
    private static let fullTime =
        #"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"#
    private static let byte = #"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"#
    /// A label of a host name with at most 62 characters and no two hyphens side by side.
    private static let label = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}"
    /// The part before the at sign, with at most 62 characters.
    private static let localPart = #"[A-Za-z0-9_+-]{1,20}(?:\.[A-Za-z0-9_+-]{1,20}){0,2}"#
}
