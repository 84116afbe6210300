import Logging
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
            let bytes = try await HTTPPost(controller + path).send(body.encoded())
            return try JSONValue(parsing: bytes)
        } catch {
            logger.warning(
                "the controller did not answer", metadata: ["url": "\(controller + path)", "error": "\(error)"])
            return nil
        }
    }
}
