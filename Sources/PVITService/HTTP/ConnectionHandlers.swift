import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Notices that a client has closed its connection, or its sending half, while requests are being answered.
final class DisconnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart

    private var isDisconnected = false
    private var waiting: [ObjectIdentifier: @Sendable () -> Void] = [:]

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { disconnect() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        disconnect()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        disconnect()
        context.fireErrorCaught(error)
    }

    /// Calls `body` when the client disconnects, or at once if that has happened.
    func add(_ id: ObjectIdentifier, _ body: @escaping @Sendable () -> Void) {
        if isDisconnected { body() } else { waiting[id] = body }
    }

    func remove(_ id: ObjectIdentifier) { waiting[id] = nil }

    private func disconnect() {
        isDisconnected = true
        for body in waiting.values { body() }
        waiting = [:]
    }
}

/// Waits for a client to disconnect, until it is ended. A connection is used for one request after another.
final class DisconnectionWatch: Sendable {
    private let channel: any Channel

    fileprivate init(_ channel: any Channel) { self.channel = channel }

    /// Forgets what to call.
    func end() {
        let (channel, id) = (channel, ObjectIdentifier(self))
        channel.eventLoop.execute {
            try? channel.pipeline.syncOperations.handler(type: DisconnectionHandler.self).remove(id)
        }
    }
}

extension ServiceContext {
    /// Calls `body` once when the client closes the connection, or its sending half. Calls it at once if that has
    /// happened.
    func whenDisconnected(_ body: @escaping @Sendable () -> Void) -> DisconnectionWatch {
        let (channel, watch) = (channel, DisconnectionWatch(channel))
        channel.eventLoop.execute {
            guard let handler = try? channel.pipeline.syncOperations.handler(type: DisconnectionHandler.self) else {
                return body()
            }
            handler.add(ObjectIdentifier(watch), body)
        }
        return watch
    }
}

/// Answers `Expect: 100-continue`, unless the announced body is too large (RFC 9110, section 10.1.1).
final class ContinueHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let bodyLimit: Int

    init(bodyLimit: Int) { self.bodyLimit = bodyLimit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data),
            head.headerFields[.expect]?.lowercased() == "100-continue",
            head.headerFields[.contentLength].flatMap({ Int($0) }) ?? 0 <= bodyLimit
        {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        context.fireChannelRead(data)
    }
}
