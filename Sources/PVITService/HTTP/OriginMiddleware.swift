import HTTPTypes
import Hummingbird

/// Lets pages of other origins call the API if their origin is allowed (Fetch Standard, CORS protocol), and refuses
/// requests of other pages that a browser sends without asking. It stands outside `ReportingMiddleware`, so that pages
/// can read errors as well.
struct OriginMiddleware: RouterMiddleware {
    let allowed: [String]

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
                request.headers[.accessControlRequestHeaders] ?? "Authorization, Content-Type, X-Api-Key"
            response.headers[.accessControlMaxAge] = "600"
        } else {
            response = try await next(request, context)
        }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.vary] = "Origin"
        return response
    }
}
