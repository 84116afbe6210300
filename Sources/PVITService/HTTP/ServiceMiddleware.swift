import HTTPTypes
import Hummingbird
import Logging
import Storage

/// Counts and logs requests, and turns every error into OpenAI's form. Prompts and answers are not logged.
struct ReportingMiddleware: RouterMiddleware {
    let metrics: ServiceMetrics
    let logger: Logger
    /// The methods of each path, for requests with another method.
    let methods: [String: [HTTPRequest.Method]]

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock().now
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            let error = serviceError(error, request)
            response = error.response(from: request, context: context)
            if error.status.code >= 500 {
                logger.error(
                    "request failed", metadata: ["code": "\(error.code ?? "")", "error": "\(error.message)"])
            }
        }
        let time = ContinuousClock().now - start
        // Unknown paths would make as many metrics as there are spellings.
        let path = methods[request.uri.path] == nil ? "other" : request.uri.path
        metrics.count(path: path, status: response.status.code, time: time)
        logger.info(
            "request",
            metadata: [
                "method": "\(request.method)", "path": "\(path)", "status": "\(response.status.code)",
                "seconds": "\(time.seconds)",
            ])
        return response
    }

    private func serviceError(_ error: any Error, _ request: Request) -> ServiceError {
        if let error = error as? HTTPError, error.status == .notFound || error.status == .methodNotAllowed {
            if let allowed = methods[request.uri.path] {
                let names = allowed.map(\.rawValue).joined(separator: ", ")
                return ServiceError(
                    .methodNotAllowed, "\(request.uri.path) takes \(names), not \(request.method)",
                    headers: [.allow: names])
            }
            return ServiceError(.notFound, "there is nothing at \(request.uri.path)", code: "unknown_path")
        }
        if let error = error as? any HTTPResponseError, !(error is ServiceError) {
            return ServiceError(error.status, "\(error)")
        }
        return ServiceError(error, whileComputing: true)
    }
}

/// Requires a key, except for paths that are free and for preflight requests.
struct AuthenticationMiddleware: RouterMiddleware {
    let keys: [String]
    let freePaths: Set<String>

    private static let apiKey = HTTPField.Name("X-Api-Key") ?? .authorization

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
        if let value = request.headers[Self.apiKey] { given.append(value.trimmingSpaces) }
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

/// Refuses requests that were made for another host. A page of another site whose name was made to resolve to this
/// machine could otherwise use the service (DNS rebinding).
struct HostCheckMiddleware: RouterMiddleware {
    /// The names under which the service is reached; nil to accept all, for a service that listens on a network.
    let names: Set<String>?

    /// - Parameter host: The address that the service listens on.
    init(host: String) {
        let loopback: Set = ["localhost", "127.0.0.1", "::1", "[::1]"]
        let isLoopback = loopback.contains(host) || host.hasPrefix("127.")
        names = isLoopback ? loopback.union([host]) : nil
    }

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        if let names, let authority = request.head.authority, !names.contains(Self.name(in: authority)) {
            throw ServiceError(
                .forbidden,
                "the host \"\(authority)\" is not this server: use localhost, or listen on a network address",
                code: "invalid_host")
        }
        return try await next(request, context)
    }

    /// The host in `host:port`.
    private static func name(in authority: String) -> String {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") { return authority[...end].lowercased() }
        return authority.prefix { $0 != ":" }.lowercased()
    }
}

/// Lets pages of other origins call the API if their origin is allowed (Fetch Standard, CORS protocol), and refuses
/// requests of other pages that a browser sends without asking. It stands outside `ReportingMiddleware`, so that pages
/// can read errors as well.
struct OriginMiddleware: RouterMiddleware {
    let allowed: [String]

    private static let requestedHeaders = HTTPField.Name("Access-Control-Request-Headers") ?? .accessControlAllowHeaders

    func handle(
        _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin] else {
            guard request.method == .options else { return try await next(request, context) }
            return Response(status: .noContent, headers: [.allow: "GET, HEAD, POST, OPTIONS"])
        }
        let isOwn = request.head.authority.map { origin == "http://\($0)" || origin == "https://\($0)" } ?? false
        guard isOwn || allowed.contains(origin) || allowed.contains("*") else {
            let error = ServiceError(
                .forbidden, "the origin \"\(origin)\" may not call this server: start it with --allow-origin",
                code: "origin_not_allowed")
            return error.response(from: request, context: context)
        }
        var response: Response
        if request.method == .options {
            response = Response(status: .noContent)
            response.headers[.accessControlAllowMethods] = "GET, HEAD, POST, OPTIONS"
            response.headers[.accessControlAllowHeaders] =
                request.headers[Self.requestedHeaders] ?? "Authorization, Content-Type, X-Api-Key"
            response.headers[.accessControlMaxAge] = "600"
        } else {
            response = try await next(request, context)
        }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.vary] = "Origin"
        return response
    }
}
