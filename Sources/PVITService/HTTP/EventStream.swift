import HTTPTypes
import Hummingbird
import NIOCore
import NIOConcurrencyHelpers
import Storage

/// Sends chunks as they arise, with a comment when there is nothing to send for a while, and gives up a client that
/// does not read.
struct EventStream: Sendable {
    /// How chunks are separated.
    enum Format: Sendable {
        /// Server-sent events (WHATWG HTML, section 9.2).
        case serverSentEvents
        /// JSON objects, each followed by a NUL byte, as PVIT's worker sends them.
        case nulTerminated

        var contentType: String {
            switch self {
            case .serverSentEvents: "text/event-stream; charset=utf-8"
            case .nulTerminated: "application/json"
            }
        }

        func chunk(_ json: JSONValue) -> ByteBuffer {
            switch self {
            case .serverSentEvents: ByteBuffer(bytes: Array("data: ".utf8) + json.encoded() + Array("\n\n".utf8))
            case .nulTerminated: ByteBuffer(bytes: json.encoded() + [0])
            }
        }
    }

    let format: Format

    /// The time without a chunk after which a comment is sent.
    static let pingInterval = Duration.seconds(5)

    /// Something to send.
    enum Item: Sendable {
        case json(JSONValue)
        /// `data: [DONE]`, the end of a stream of OpenAI's API.
        case done
        case ping
    }

    /// A response that sends what `produce` yields until it returns. When the client disconnects, `produce` is
    /// cancelled.
    func response(
        _ context: ServiceContext,
        _ produce: @escaping @Sendable (AsyncStream<Item>.Continuation) async -> Void
    ) -> Response {
        let format = format
        let body = ResponseBody { writer in
            let (items, continuation) = AsyncStream<Item>.makeStream()
            let producer = Task {
                await produce(continuation)
                continuation.finish()
            }
            let disconnection = context.whenDisconnected {
                producer.cancel()
                continuation.finish()
            }
            let pinger = format == .serverSentEvents ? Self.pings(continuation) : nil
            let progress = WriteProgress()
            let watchdog = Self.watchdog(progress, context, producer)
            defer {
                producer.cancel()
                pinger?.cancel()
                watchdog.cancel()
                disconnection.end()
            }
            for await item in items {
                let buffer: ByteBuffer
                switch item {
                case .json(let json): buffer = format.chunk(json)
                case .done: buffer = ByteBuffer(string: "data: [DONE]\n\n")
                case .ping: buffer = ByteBuffer(string: ": ping\n\n")
                }
                progress.begin()
                try await writer.write(buffer)
                progress.end()
            }
            try await writer.finish(nil)
        }
        let headers: HTTPFields = [
            .contentType: format.contentType, .cacheControl: "no-store", .accelBuffering: "no",
        ]
        return Response(status: .ok, headers: headers, body: body)
    }

    private static func pings(_ continuation: AsyncStream<Item>.Continuation) -> Task<Void, Never> {
        Task {
            while !Task.isCancelled {
                do { try await Task.sleep(for: pingInterval) } catch { return }
                continuation.yield(.ping)
            }
        }
    }

    /// Closes the connection if a write takes too long.
    private static func watchdog(
        _ progress: WriteProgress, _ context: ServiceContext, _ producer: Task<Void, Never>
    ) -> Task<Void, Never> {
        Task {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
                if progress.waitingTime > ServiceOptions.stallTimeout {
                    producer.cancel()
                    context.channel.close(promise: nil)
                    return
                }
            }
        }
    }
}

/// The time that the current write has taken.
private final class WriteProgress: Sendable {
    private let start = NIOLockedValueBox<ContinuousClock.Instant?>(nil)

    var waitingTime: Duration { start.withLockedValue { $0 }.map { ContinuousClock().now - $0 } ?? .zero }

    func begin() { start.withLockedValue { $0 = ContinuousClock().now } }
    func end() { start.withLockedValue { $0 = nil } }
}
