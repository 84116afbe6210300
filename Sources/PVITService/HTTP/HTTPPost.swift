import NIOCore
import NIOHTTP1
import NIOPosix

/// A POST request to a controller or a worker, on a connection of its own.
struct HTTPPost {
    private let host: String
    private let port: Int
    private let path: String

    /// The maximum time for connecting, and for all of it.
    private static let timeout = TimeAmount.seconds(5)

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Throws: An error that says what is wrong with the address.
    init(_ url: String) throws {
        // A line break would begin a header.
        guard url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Failure(description: "the address has a space, a control character or a letter beyond ASCII")
        }
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
    }

    /// Sends a body of JSON and returns that of the answer.
    ///
    /// - Throws: What failed: the connection, or a status other than 200.
    func send(_ body: [UInt8]) async throws -> [UInt8] {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(Self.timeout)
        let channel = try await bootstrap.connect(host: host, port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                    wrappingChannelSynchronously: channel)
            }
        }
        let deadline = channel.channel.eventLoop.scheduleTask(in: Self.timeout) { channel.channel.close(promise: nil) }
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
