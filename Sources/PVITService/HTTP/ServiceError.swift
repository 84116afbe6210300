import HTTPTypes
import Hummingbird
import NIOCore
import PVITModel
import Storage

/// An error with the status and the body that OpenAI's API gives it.
struct ServiceError: Error, HTTPResponseError, CustomStringConvertible {
    let status: HTTPResponse.Status
    let message: String
    /// OpenAI's kind of error.
    let type: String
    /// The member of the request that is wrong, as a path such as `messages[0].content`.
    var param: String?
    /// The stable code of the error.
    var code: String?
    var headers: HTTPFields = [:]
    /// The whole error for the log, with the file that it concerns.
    private(set) var description: String

    init(
        _ status: HTTPResponse.Status, _ message: String, param: String? = nil, code: String? = nil,
        headers: HTTPFields = [:]
    ) {
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers
        description = message
        type =
            switch status.code {
            case 401, 403: "authentication_error"
            case 404: "not_found_error"
            case 429: "rate_limit_error"
            case 503: "service_unavailable_error"
            case 500...: "server_error"
            default: "invalid_request_error"
            }
    }

    /// An invalid request.
    static func invalid(_ message: String, param: String?, code: String? = nil) -> ServiceError {
        ServiceError(.badRequest, message, param: param, code: code)
    }

    /// The error of a request.
    ///
    /// - Parameter whileComputing: Whether it occurred while an answer was computed. Otherwise it is a fault of the
    ///   request's content.
    init(_ error: any Error, whileComputing: Bool, param: String? = nil) {
        if let error = error as? ServiceError {
            self = error
        } else if let error = error as? PVITError {
            let isFault =
                error.code.category == .internalDefect || error.code.category == .inputOutput
                || (whileComputing && error.code.category != .usage)
            let isContent = error.code.name.hasPrefix("image.")
            // A client need not learn where files are. The log has the whole error.
            var shown = error
            shown.file = nil
            self.init(
                isFault ? .internalServerError : isContent ? .unprocessableContent : .badRequest, shown.description,
                param: param, code: error.code == .contextFull ? "context_length_exceeded" : error.code.name)
            description = error.description
        } else {
            self.init(.internalServerError, "the request failed", code: PVITError.Code.internalDefect.name)
        }
    }

    /// The model is being loaded.
    static let loading = ServiceError(
        .serviceUnavailable, "the model is being loaded: try again in a moment", code: "loading",
        headers: [.retryAfter: "2"])
    /// The service is about to end.
    static let stopping = ServiceError(
        .serviceUnavailable, "the server is shutting down", code: "stopping", headers: [.retryAfter: "10"])
    /// Too many requests wait.
    static let busy = ServiceError(
        .tooManyRequests, "too many requests are waiting: try again later", code: "queue_full",
        headers: [.retryAfter: "5"])

    /// The body: `{"error": …}`.
    var json: JSONValue {
        [
            "error": [
                "message": .string(message), "type": .string(type),
                "param": param.map { .string($0) } ?? .null, "code": code.map { .string($0) } ?? .null,
            ]
        ]
    }

    func response(from request: Request, context: some RequestContext) -> Response {
        Response(json, status: status, headers: headers)
    }
}

extension Response {
    /// A response with a JSON body.
    init(_ json: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) {
        var headers = headers
        headers[.contentType] = "application/json"
        self.init(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.encoded())))
    }
}
