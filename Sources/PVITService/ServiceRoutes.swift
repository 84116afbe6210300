import HTTPTypes
import Hummingbird
import Logging
import NIOPosix
import PVITModel
import Storage

/// The paths of the service.
struct ServiceRoutes: Sendable {
    let inference: InferenceService
    let options: ServiceOptions
    let bodies: BodyReader
    let operations: OperationsHandler
    let worker: WorkerHandler
    let controller: ControllerHandler
    let images: ImageCache
    let preparation: NIOThreadPool
    let metrics: ServiceMetrics
    let logger: Logger

    /// Handles a body and returns the JSON to answer with.
    private typealias JSONHandler = @Sendable (RequestObject, Request) throws -> JSONValue

    /// Makes the router.
    func router() -> Router<ServiceContext> {
        let gets: [String: @Sendable (Request, ServiceContext) async throws -> Response] = [
            "/health": { _, _ in try operations.health() },
            "/metrics": { _, _ in operations.metricsText() },
            "/props": { _, _ in Response(try operations.properties()) },
            "/v1/models": { _, _ in Response(operations.models()) },
        ]
        let posts: [String: JSONHandler] = [
            "/tokenize": { body, _ in try operations.tokenize(body) },
            "/detokenize": { body, _ in try operations.detokenize(body) },
            "/list_models": { _, _ in controller.models() },
            "/get_worker_address": { body, request in
                try controller.address(body, own: "http://\(request.head.authority ?? "localhost")")
            },
            "/receive_heart_beat": { body, _ in try controller.heartbeat(body) },
            "/worker_get_status": { _, _ in worker.status() },
        ]
        // These wait for the model, or for a worker.
        let waiting: [String: @Sendable (Request, ServiceContext) async throws -> Response] = [
            "/v1/chat/completions": chat, "/v1/completions": complete, "/worker_generate_stream": worker.generate,
            "/register_worker": { request, context in
                Response(try await controller.register(try await object(request, context)))
            },
            "/refresh_all_workers": { _, _ in Response(await controller.refresh()) },
        ]
        var methods: [String: [HTTPRequest.Method]] = [:]
        for path in gets.keys { methods[path] = [.get, .head] }
        for path in Array(posts.keys) + Array(waiting.keys) { methods[path] = [.post] }
        if options.showsPage { methods["/"] = [.get, .head] }

        let router = Router(context: ServiceContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: OriginMiddleware(allowed: options.allowedOrigins))
        router.add(middleware: ReportingMiddleware(metrics: metrics, logger: logger, methods: methods))
        router.add(middleware: HostCheckMiddleware(host: options.host))
        router.add(middleware: AuthenticationMiddleware(keys: options.apiKeys, freePaths: ["/", "/health"]))
        for (path, handler) in gets { router.get(RouterPath(path), use: handler) }
        for (path, handler) in waiting { router.post(RouterPath(path), use: handler) }
        for (path, handler) in posts {
            router.post(RouterPath(path)) { request, context in
                let body = try await object(request, context)
                return Response(try await preparation.runIfActive { try handler(body, request) })
            }
        }
        router.get("/v1/models/:name") { _, context in
            Response(try operations.model(named: context.parameters.require("name")))
        }
        if options.showsPage {
            let page = PageHandler()
            router.get("/") { request, _ in page.response(to: request) }
        }
        return router
    }

    /// The body of a request. The original clients send none where none is needed.
    private func object(_ request: Request, _ context: ServiceContext) async throws -> RequestObject {
        let body = try await bodies.read(request, context)
        return try await preparation.runIfActive { try RequestObject(body: body.isEmpty ? Array("{}".utf8) : body) }
    }

    private func chat(_ request: Request, _ context: ServiceContext) async throws -> Response {
        let facts = try inference.facts()
        let body = try await bodies.read(request, context)
        let (parameters, tasks) = try await preparation.runIfActive {
            let chat = try ChatRequest(RequestObject(body: body), facts, mediaFolder: options.mediaFolder)
            return (chat.parameters, try chat.tasks(facts, images))
        }
        return try await runner(.chat, facts, parameters).run(tasks, context)
    }

    private func complete(_ request: Request, _ context: ServiceContext) async throws -> Response {
        let facts = try inference.facts()
        let body = try await bodies.read(request, context)
        let (text, tasks) = try await preparation.runIfActive {
            let text = try TextCompletionRequest(RequestObject(body: body), facts)
            return (text, try text.tasks(facts))
        }
        var runner = runner(.text, facts, text.parameters)
        if text.echoes {
            runner.echoes = tasks.indices.map {
                text.text(ofPrompt: $0 / text.parameters.choiceCount, facts)
            }
        }
        return try await runner.run(tasks, context)
    }

    private func runner(
        _ kind: CompletionFormat.Kind, _ facts: ModelFacts, _ parameters: GenerationParameters
    ) -> CompletionRunner {
        CompletionRunner(
            inference: inference, timeout: options.requestTimeout,
            format: CompletionFormat(
                kind, model: options.modelName, logprobs: LogprobsJSON(tokenizer: facts.prompts.tokenizer)),
            parameters: parameters)
    }
}
