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
                    "request failed", metadata: ["code": "\(error.code ?? "")", "error": "\(error)"])
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
