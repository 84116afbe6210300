import LanguageModel
import PVITModel
import Storage
import SystemPackage

/// The settings of a service.
package struct ServiceOptions: Sendable {
    /// The address to listen on: a host name or an IP address.
    package var host = "127.0.0.1"
    /// The port to listen on; 0 takes a free one.
    package var port = 8080
    /// The name of the model in the API.
    package var modelName: String
    /// The file of the model.
    package var modelFile: FilePath
    /// The number of requests that are answered at a time.
    package var slotCount = 4
    /// The number of requests that may wait for a slot.
    package var queueLimit = 64
    /// The maximum number of positions of a request; nil for what the model was trained for.
    package var contextLength: Int?
    /// The type of keys and values; nil for what the memory plan says.
    package var cacheStorage: KVCache.Storage?
    /// The keys that requests may authenticate with; empty if they need none.
    package var apiKeys: [String] = []
    /// The origins whose pages may call the API, such as `https://example.org`, or `*`.
    package var allowedOrigins: [String] = []
    /// The maximum size of a request's body.
    package var bodyLimit = ByteCount(64 << 20)
    /// Whether the page is served.
    package var showsPage = true
    /// The folder of image files that requests may name; nil for none.
    package var mediaFolder: FilePath?
    /// The controller to register with, such as `http://127.0.0.1:21001`; nil for none.
    package var controller: String?
    /// The address under which the controller reaches this service; nil for `http://HOST:PORT`.
    package var workerAddress: String?
    /// The maximum time from the arrival of a request to the end of its answer.
    package var requestTimeout = Duration.seconds(3600)
    /// The time that answers have to end when the service is told to stop.
    package var gracePeriod = Duration.seconds(30)

    /// Creates settings with the defaults above.
    package init(modelName: String, modelFile: FilePath) {
        self.modelName = modelName
        self.modelFile = modelFile
    }

    /// The address of the service, without a slash at the end.
    package func address(port: Int) -> String { "http://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// The maximum time without progress: for a connection without a request, for a body that does not arrive, and for
    /// a client that does not read.
    static let stallTimeout = Duration.seconds(30)
    /// The maximum time for the whole body of a request.
    static let bodyTimeout = Duration.seconds(300)
    /// The maximum size of a request's header.
    static let headerByteLimit = 32 << 10
    /// The maximum number of connections.
    static let connectionLimit = 1024
}
