import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Notices that a client has closed its connection, or its sending half, while a request is being answered.
final class DisconnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart

    private var isDisconnected = false
    private var waiting: [@Sendable () -> Void] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A connection is used for one request after another. What waited for the last one is over.
        if case .head = unwrapInboundIn(data) { waiting = [] }
        context.fireChannelRead(data)
    }

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

    func whenDisconnected(_ body: @escaping @Sendable () -> Void) {
        if isDisconnected { body() } else { waiting.append(body) }
    }

    private func disconnect() {
        isDisconnected = true
        for body in waiting { body() }
        waiting = []
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
