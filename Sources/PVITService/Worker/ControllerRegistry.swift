import NIOConcurrencyHelpers
import Storage

/// The workers that have registered with this service as their controller.
final class ControllerRegistry: Sendable {
    private struct Worker {
        var modelNames: [String]
        var speed: Double
        var queueLength: Int
        let checksHeartbeat: Bool
        var lastHeartbeat: ContinuousClock.Instant
    }

    private let workers = NIOLockedValueBox<[String: Worker]>([:])
    /// The time after which a worker without a heartbeat is forgotten, that of the original controller.
    private static let expiry = Duration.seconds(30)
    private static let limit = 256

    /// Registers a worker by its address.
    ///
    /// - Throws: A `ServiceError` if there are too many.
    func register(_ address: String, modelNames: [String], speed: Double, queueLength: Int, checksHeartbeat: Bool)
        throws
    {
        try workers.withLockedValue { workers in
            Self.expire(&workers)
            guard workers[address] != nil || workers.count < Self.limit else {
                throw ServiceError(.tooManyRequests, "too many workers have registered")
            }
            workers[address] = Worker(
                modelNames: modelNames, speed: speed, queueLength: queueLength, checksHeartbeat: checksHeartbeat,
                lastHeartbeat: ContinuousClock().now)
        }
    }

    /// Records a heartbeat. Returns false if the worker is unknown and has to register again.
    func receiveHeartbeat(_ address: String, queueLength: Int) -> Bool {
        workers.withLockedValue { workers in
            Self.expire(&workers)
            guard workers[address] != nil else { return false }
            workers[address]?.queueLength = queueLength
            workers[address]?.lastHeartbeat = ContinuousClock().now
            return true
        }
    }

    /// The addresses of workers that send no heartbeats.
    var addressesWithoutHeartbeat: [String] {
        workers.withLockedValue { workers in workers.filter { !$0.value.checksHeartbeat }.map(\.key) }
    }

    /// Forgets a worker.
    func remove(_ address: String) { workers.withLockedValue { _ = $0.removeValue(forKey: address) } }

    /// The names of all models, sorted.
    var modelNames: [String] {
        workers.withLockedValue { workers in
            Self.expire(&workers)
            return Set(workers.values.flatMap(\.modelNames)).sorted()
        }
    }

    /// The address of the worker that serves a model with the shortest queue for its speed; nil if there is none.
    func address(ofModel name: String) -> String? {
        workers.withLockedValue { workers in
            Self.expire(&workers)
            let candidates = workers.filter { $0.value.modelNames.contains(name) && $0.value.speed > 0 }
            let best = candidates.min { left, right in
                let load = (
                    Double(left.value.queueLength) / left.value.speed,
                    Double(right.value.queueLength) / right.value.speed
                )
                return load.0 != load.1 ? load.0 < load.1 : left.key < right.key
            }
            guard let address = best?.key else { return nil }
            workers[address]?.queueLength += 1
            return address
        }
    }

    private static func expire(_ workers: inout [String: Worker]) {
        let now = ContinuousClock().now
        workers = workers.filter { !$0.value.checksHeartbeat || now - $0.value.lastHeartbeat <= expiry }
    }
}
