import Hummingbird
import Storage

/// The controller's part of the protocol. The service is a worker of its own controller, so LLaVA's page needs no other
/// program.
struct ControllerHandler: Sendable {
    let registry = ControllerRegistry()
    let options: ServiceOptions
    let worker: WorkerHandler

    /// `/register_worker`. A worker that did not send its status is asked for it.
    func register(_ request: RequestObject) async throws -> JSONValue {
        guard let address = try request.string("worker_name"), !address.isEmpty else {
            throw request.invalid("worker_name", "is missing")
        }
        let checksHeartbeat = try request.bool("check_heart_beat") ?? true
        var status = try request.object("worker_status")
        if status == nil {
            do {
                status = try await askStatus(of: address)
            } catch {
                throw request.invalid("worker_status", "is missing, and \(address) does not tell it: \(error)")
            }
        }
        if let status { try register(address, status, checksHeartbeat: checksHeartbeat) }
        return .null
    }

    /// `/refresh_all_workers`. Workers that send no heartbeats are asked whether they are still there.
    func refresh() async -> JSONValue {
        await withDiscardingTaskGroup { group in
            for address in registry.addressesWithoutHeartbeat {
                group.addTask {
                    do {
                        try register(address, try await askStatus(of: address), checksHeartbeat: false)
                    } catch {
                        registry.remove(address)
                    }
                }
            }
        }
        return .null
    }

    private func register(_ address: String, _ status: RequestObject, checksHeartbeat: Bool) throws {
        try registry.register(
            address, modelNames: status.strings("model_names") ?? [],
            speed: status.number("speed", in: 0...1e9) ?? 1,
            queueLength: status.integer("queue_length", in: 0...Int.max) ?? 0, checksHeartbeat: checksHeartbeat)
    }

    /// The status that a worker gives of itself.
    private func askStatus(of address: String) async throws -> RequestObject {
        try RequestObject(body: await HTTPPost(address + "/worker_get_status").send(Array("{}".utf8)))
    }

    /// `/list_models`.
    func models() -> JSONValue {
        ["models": .array(Set(registry.modelNames + [options.modelName]).sorted().map { .string($0) })]
    }

    /// `/get_worker_address`.
    ///
    /// - Parameter own: The address of this service.
    func address(_ request: RequestObject, own: String) throws -> JSONValue {
        guard let model = try request.string("model") else { throw request.invalid("model", "is missing") }
        let address = model == options.modelName ? own : registry.address(ofModel: model) ?? ""
        return ["address": .string(address)]
    }

    /// `/receive_heart_beat`.
    func heartbeat(_ request: RequestObject) throws -> JSONValue {
        guard let address = try request.string("worker_name") else {
            throw request.invalid("worker_name", "is missing")
        }
        let length = try request.integer("queue_length", in: 0...Int.max) ?? 0
        return ["exist": .bool(registry.receiveHeartbeat(address, queueLength: length))]
    }
}
