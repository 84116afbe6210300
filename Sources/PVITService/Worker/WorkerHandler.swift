import Hummingbird
import NIOPosix
import PVITModel
import Storage

/// The worker's part of the protocol that PVIT's and LLaVA's programs speak.
struct WorkerHandler: Sendable {
    let inference: InferenceService
    let options: ServiceOptions
    let bodies: BodyReader
    let images: ImageCache
    let preparation: NIOThreadPool

    /// The code of an error in a chunk: the request or the model failed.
    private static let failed = 1

    /// `/worker_get_status`.
    func status() -> JSONValue {
        [
            "model_names": [.string(options.modelName)], "speed": 1, "queue_length": .integer(inference.activeCount),
        ]
    }

    /// `/worker_generate_stream`. Every error of the request's content is a chunk, because that is what clients read.
    func generate(_ request: Request, _ context: ServiceContext) async throws -> Response {
        let body = try await bodies.read(request, context)
        return EventStream(format: .nulTerminated).response(context) { output in
            do {
                let parsed = try await preparation.runIfActive { try WorkerRequest(RequestObject(body: body)) }
                // Clients give up when the first chunk takes long.
                output.yield(.json(Self.chunk(parsed.prompt)))
                try await withDeadline(options.requestTimeout) { try await send(parsed, to: output) }
            } catch is CancellationError {
            } catch {
                let message = ServiceError(error, whileComputing: true).message
                output.yield(.json(Self.chunk(message, code: Self.failed)))
            }
        }
    }

    private func send(
        _ request: WorkerRequest, to output: AsyncStream<EventStream.Item>.Continuation
    ) async throws {
        let facts = try inference.facts()
        let task = try await preparation.runIfActive { try request.task(facts, images) }
        let events = try inference.submit([task])
        var text = request.prompt
        for await item in events {
            switch item.event {
            case .prefill: continue
            case .text(let chunk, _):
                text += chunk
                output.yield(.json(Self.chunk(text)))
            case .end(let result): _ = try result.get()
            }
        }
    }

    private static func chunk(_ text: String, code: Int = 0) -> JSONValue {
        ["text": .string(text), "error_code": .integer(code)]
    }
}
