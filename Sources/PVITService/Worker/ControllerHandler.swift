import Hummingbird
import Storage

/// The controller's part of the protocol. The service is a worker of its own controller, so LLaVA's page needs no other
/// program.
struct ControllerHandler: Sendable {
    let registry = ControllerRegistry()
    let options: ServiceOptions
    let worker: WorkerHandler

    /// `/register_worker`.
    func register(_ request: RequestObject) throws -> JSONValue {
        guard let address = try request.string("worker_name"), !address.isEmpty else {
            throw request.invalid("worker_name", "is missing")
        }
        // The original controller asks a worker for its status if it sent none. This one does not call anybody.
        guard let status = try request.object("worker_status") else {
            throw request.invalid("worker_status", "is missing: send model_names, speed and queue_length")
        }
        try registry.register(
            address, modelNames: status.strings("model_names") ?? [],
            speed: status.number("speed", in: 0...1e9) ?? 1,
            queueLength: status.integer("queue_length", in: 0...Int.max) ?? 0,
            checksHeartbeat: request.bool("check_heart_beat") ?? true)
        return .null
    }

    /// `/refresh_all_workers`.
    func refresh() -> JSONValue {
        registry.refresh()
        return .null
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
