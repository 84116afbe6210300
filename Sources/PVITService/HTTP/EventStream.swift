import HTTPTypes
import Hummingbird
import NIOCore
import NIOConcurrencyHelpers
import Storage

/// Sends chunks as they arise, shows that it is alive when there is nothing to send for a while, and gives up a client
/// that does not read.
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

        /// The time without a chunk after which something is sent. LLaVA's page gives up after 10 s without a byte, and
        /// the proxy of its controller after 5 s.
        var pingInterval: Duration {
            switch self {
            case .serverSentEvents: .seconds(5)
            case .nulTerminated: .seconds(2)
            }
        }

        /// What is sent when there is nothing new: a comment, or the latest chunk once more. A worker's chunk has all
        /// of the text, so reading it twice changes nothing.
        func ping(after latest: ByteBuffer?) -> ByteBuffer? {
            switch self {
            case .serverSentEvents: ByteBuffer(string: ": ping\n\n")
            case .nulTerminated: latest
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

    /// The time between two looks at how a stream is doing.
    private static let checkInterval = TimeAmount.seconds(1)

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
            let progress = WriteProgress()
            let timer = context.channel.eventLoop.scheduleRepeatedTask(
                initialDelay: Self.checkInterval, delay: Self.checkInterval
            ) { _ in
                if progress.writingTime > ServiceOptions.stallTimeout {
                    producer.cancel()
                    context.channel.close(promise: nil)
                } else if progress.silentTime > format.pingInterval {
                    continuation.yield(.ping)
                }
            }
            defer {
                producer.cancel()
                timer.cancel()
                disconnection.end()
            }
            var latest: ByteBuffer?
            for await item in items {
                let buffer: ByteBuffer
                switch item {
                case .json(let json):
                    buffer = format.chunk(json)
                    latest = buffer
                case .done: buffer = ByteBuffer(string: "data: [DONE]\n\n")
                case .ping:
                    guard let ping = format.ping(after: latest) else { continue }
                    buffer = ping
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
}

/// What the client has been sent and what it has taken.
private final class WriteProgress: Sendable {
    private let state = NIOLockedValueBox((isWriting: false, since: ContinuousClock().now))

    /// The time that the current write has taken.
    var writingTime: Duration { time(isWriting: true) }
    /// The time since the last write.
    var silentTime: Duration { time(isWriting: false) }

    func begin() { state.withLockedValue { $0 = (true, ContinuousClock().now) } }
    func end() { state.withLockedValue { $0 = (false, ContinuousClock().now) } }

    private func time(isWriting: Bool) -> Duration {
        state.withLockedValue { $0.isWriting == isWriting ? ContinuousClock().now - $0.since : .zero }
    }
}
