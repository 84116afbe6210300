import Hummingbird
import Logging
import NIOCore

/// The context of a request: its connection beside what every request has.
struct ServiceContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Calls `body` once when the client closes the connection, or its sending half. Calls it at once if that has
    /// happened.
    func whenDisconnected(_ body: @escaping @Sendable () -> Void) {
        let channel = channel
        channel.eventLoop.execute {
            guard let watch = try? channel.pipeline.syncOperations.handler(type: DisconnectionHandler.self) else {
                return body()
            }
            watch.whenDisconnected(body)
        }
    }
}
