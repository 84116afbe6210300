import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Storage

/// Registers this service with a controller and sends heartbeats. It never delays a request: it has a task of its own,
/// and a controller that does not answer is only logged.
struct ControllerClient: Service {
    /// The address of the controller, such as `http://127.0.0.1:21001`.
    let controller: String
    /// The address under which the controller reaches this service.
    let workerAddress: String
    let worker: WorkerHandler
    let logger: Logger

    /// The interval of heartbeats, that of the original worker.
    private static let interval = Duration.seconds(15)
    private static let timeout = TimeAmount.seconds(5)

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var isRegistered = false
            while true {
                isRegistered = await isRegistered ? sendHeartbeat() : register()
                try await Task.sleep(for: Self.interval)
            }
        }
    }

    private func register() async -> Bool {
        let body: JSONValue = [
            "worker_name": .string(workerAddress), "check_heart_beat": true, "worker_status": worker.status(),
        ]
        return await post("/register_worker", body) != nil
    }

    private func sendHeartbeat() async -> Bool {
        let body: JSONValue = [
            "worker_name": .string(workerAddress), "queue_length": .integer(worker.inference.activeCount),
        ]
        guard let answer = await post("/receive_heart_beat", body) else { return false }
        if answer["exist"] == true { return true }
        return await register()
    }

    /// Sends a request. Returns the JSON of the answer; nil if there was none, which is logged.
    private func post(_ path: String, _ body: JSONValue) async -> JSONValue? {
        do {
            let bytes = try await HTTPPost(controller + path, timeout: Self.timeout).send(body.encoded())
            return try JSONValue(parsing: bytes)
        } catch {
            logger.warning(
                "the controller did not answer", metadata: ["url": "\(controller + path)", "error": "\(error)"])
            return nil
        }
    }
}

/// A POST request on a connection of its own.
private struct HTTPPost {
    private let host: String
    private let port: Int
    private let path: String
    private let timeout: TimeAmount

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(_ url: String, timeout: TimeAmount) throws {
        guard url.hasPrefix("http://") else { throw Failure(description: "the address must begin with http://") }
        let rest = url.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" }
        let bracket = authority.lastIndex(of: "]")
        let colon = authority.lastIndex(of: ":").flatMap { $0 > bracket ?? authority.startIndex ? $0 : nil }
        host = String(authority[..<(colon ?? authority.endIndex)]).trimmingBrackets
        guard let port = colon.map({ Int(authority[authority.index(after: $0)...]) }) ?? 80, !host.isEmpty else {
            throw Failure(description: "the address has no host, or no valid port")
        }
        self.port = port
        path = String(rest[authority.endIndex...])
        self.timeout = timeout
    }

    func send(_ body: [UInt8]) async throws -> [UInt8] {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(timeout)
        let channel = try await bootstrap.connect(host: host, port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                    wrappingChannelSynchronously: channel)
            }
        }
        let deadline = channel.channel.eventLoop.scheduleTask(in: timeout) { channel.channel.close(promise: nil) }
        defer { deadline.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            let headers: HTTPHeaders = [
                "Host": "\(host):\(port)", "Content-Type": "application/json", "Content-Length": "\(body.count)",
                "Connection": "close",
            ]
            try await outbound.write(
                .head(HTTPRequestHead(version: .http1_1, method: .POST, uri: path, headers: headers)))
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: body))))
            try await outbound.write(.end(nil))
            return try await Self.read(inbound)
        }
    }

    private static func read(_ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in inbound {
            switch part {
            case .head(let head):
                guard head.status == .ok else { throw Failure(description: "status \(head.status.code)") }
            case .body(let buffer):
                bytes.append(contentsOf: buffer.readableBytesView)
                guard bytes.count <= 1 << 20 else { throw Failure(description: "the answer is too long") }
            case .end: return bytes
            }
        }
        throw Failure(description: "the answer was cut off")
    }
}

extension String {
    /// The text without square brackets around it, which enclose IPv6 addresses in URLs.
    fileprivate var trimmingBrackets: String {
        hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self
    }
}
