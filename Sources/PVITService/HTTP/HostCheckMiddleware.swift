import HTTPTypes
import Hummingbird

/// Refuses requests that were made for another host. A page of another site whose name was made to resolve to this
/// machine could otherwise use the service (DNS rebinding).
struct HostCheckMiddleware: RouterMiddleware {
    /// The names under which the service is reached; nil to accept all, for a service that listens on a network.
    let names: Set<String>?

    /// - Parameter host: The address that the service listens on.
    init(host: String) {
        let loopback: Set = ["localhost", "127.0.0.1", "::1", "[::1]"]
        let isLoopback = loopback.contains(host) || host.hasPrefix("127.")
        // PVIT's documentation addresses a server on the same machine as 0.0.0.0, which no DNS can make another one.
        names = isLoopback ? loopback.union([host, "0.0.0.0"]) : nil
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
