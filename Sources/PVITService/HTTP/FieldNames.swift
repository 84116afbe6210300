import HTTPTypes

extension HTTPField.Name {
    /// A key of the API, besides `Authorization`.
    static let apiKey = valid("X-Api-Key")
    /// What a page tells other sites about itself.
    static let referrerPolicy = valid("Referrer-Policy")
    /// Tells nginx to pass chunks on at once.
    static let accelBuffering = valid("X-Accel-Buffering")

    /// A name that is a token of RFC 9110.
    private static func valid(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is not the name of a field") }
        return name
    }
}
