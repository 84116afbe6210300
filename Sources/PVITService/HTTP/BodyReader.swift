import HTTPTypes
import Hummingbird
import NIOCore
import Storage

/// Reads the JSON body of requests.
struct BodyReader: Sendable {
    /// The maximum size of a body, in bytes.
    let limit: Int

    /// Reads a body.
    ///
    /// - Throws: A `ServiceError`: 415 if it is not JSON by its content type, 413 if it is too large, 408 if it does
    ///   not arrive in time.
    func read(_ request: Request, _ context: ServiceContext) async throws -> [UInt8] {
        if let type = request.headers[.contentType] {
            let name = type.prefix { $0 != ";" }.lowercased().filter { !$0.isWhitespace }
            guard name == "application/json" || name.hasSuffix("+json") else {
                throw ServiceError(
                    .unsupportedMediaType,
                    "the body has the content type \"\(name)\": send JSON with Content-Type: application/json")
            }
        }
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw ServiceError(.unsupportedMediaType, "the body is compressed with \"\(encoding)\": send it as it is")
        }
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            closeSoon(context)
            throw tooLarge
        }
        let late = ServiceError(.requestTimeout, "the body did not arrive in time", headers: [.connection: "close"])
        do {
            return try await withDeadline(ServiceOptions.bodyTimeout, late) { try await collect(request, context) }
        } catch let error as ServiceError {
            if error.status == .requestTimeout { closeSoon(context) }
            throw error
        }
    }

    private func collect(_ request: Request, _ context: ServiceContext) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await buffer in request.body {
            guard bytes.count + buffer.readableBytes <= limit else {
                closeSoon(context)
                throw tooLarge
            }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return bytes
    }

    private var tooLarge: ServiceError {
        ServiceError(
            .contentTooLarge, "the body is larger than \(ByteCount(UInt64(limit)))",
            code: "body_too_large", headers: [.connection: "close"])
    }

    /// Closes the connection when the client has had time to read the error. The rest of the body is not worth reading.
    private func closeSoon(_ context: ServiceContext) {
        let channel = context.channel
        _ = channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
    }
}
