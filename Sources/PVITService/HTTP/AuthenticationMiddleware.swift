import HTTPTypes
import Hummingbird

/// Requires a key, except for paths that are free and for preflight requests.
struct AuthenticationMiddleware: RouterMiddleware {
    let keys: [String]
    let freePaths: Set<String>

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        let isFree = keys.isEmpty || request.method == .options || freePaths.contains(request.uri.path)
        guard isFree || isAuthenticated(request) else {
            throw ServiceError(
                .unauthorized, "a valid API key is required: send it as Authorization: Bearer KEY",
                code: "invalid_api_key", headers: [.wwwAuthenticate: "Bearer"])
        }
        return try await next(request, context)
    }

    private func isAuthenticated(_ request: Request) -> Bool {
        var given: [String] = []
        if let value = request.headers[.authorization], value.lowercased().hasPrefix("bearer ") {
            given.append(String(value.dropFirst("bearer ".count)).trimmingSpaces)
        }
        if let value = request.headers[.apiKey] { given.append(value.trimmingSpaces) }
        // Every key is compared, so that the time tells nothing about which one was close.
        var matches = false
        for key in keys { for value in given where Self.areEqual(key, value) { matches = true } }
        return matches
    }

    /// Compares texts in a time that depends on their lengths only.
    private static func areEqual(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var difference = left.count ^ right.count
        for index in 0..<max(left.count, right.count) {
            difference |= Int(index < left.count ? left[index] : 0) ^ Int(index < right.count ? right[index] : 0)
        }
        return difference == 0
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
