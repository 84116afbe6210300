import FoundationEssentials
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Storage
import UnixSignals

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A server: OpenAI's API, the protocol of PVIT's workers, and a page.
package struct PVITService: Sendable {
    private let options: ServiceOptions
    private let version: String
    private let load: InferenceService.Loader
    private let logger: Logger

    /// Creates a service.
    ///
    /// - Parameters:
    ///   - version: The version of the program.
    ///   - logger: Receives what happens, without prompts and answers.
    ///   - load: Opens the model, on the thread that will compute.
    package init(
        _ options: ServiceOptions, version: String, logger: Logger, load: @escaping InferenceService.Loader
    ) {
        self.options = options
        self.version = version
        self.logger = logger
        self.load = load
    }

    /// Listens, loads the model and serves requests until SIGTERM or SIGINT. Requests that are being answered then have
    /// the grace period to end; a second signal ends the process at once.
    ///
    /// - Parameter whenListening: Receives the port.
    /// - Throws: `service.listen` if the address cannot be used; what loading the model throws.
    package func run(whenListening: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
        let preparation = NIOThreadPool(numberOfThreads: 2)
        preparation.start()
        let metrics = ServiceMetrics()
        let inference = InferenceService(options, metrics, logger)
        let bodies = BodyReader(limit: Int(clamping: options.bodyLimit.rawValue))
        let images = ImageCache()
        let worker = WorkerHandler(
            inference: inference, options: options, bodies: bodies, images: images, preparation: preparation)
        let routes = ServiceRoutes(
            inference: inference, options: options, bodies: bodies,
            operations: OperationsHandler(
                inference: inference, options: options, metrics: metrics, version: version,
                started: Int(Date().timeIntervalSince1970)),
            worker: worker, controller: ControllerHandler(options: options, worker: worker), images: images,
            preparation: preparation, metrics: metrics, logger: logger)
        var services: [any Service] = [InferenceRunner(inference: inference, load: load)]
        if let controller = options.controller {
            services.append(
                ControllerClient(
                    controller: controller.hasSuffix("/") ? String(controller.dropLast()) : controller,
                    workerAddress: options.workerAddress ?? options.address(port: options.port), worker: worker,
                    logger: logger))
        }
        let bodyLimit = bodies.limit
        // What the server itself has to say is said by the errors below and by the log of requests.
        var serverLogger = logger
        serverLogger.logLevel = .critical
        let application = Application(
            router: routes.router(),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [DisconnectionHandler(), ContinueHandler(bodyLimit: bodyLimit)],
                    idleTimeout: TimeAmount(ServiceOptions.stallTimeout),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: ServiceOptions.headerByteLimit,
                        maxHeaderListSize: ServiceOptions.headerByteLimit, maxHeaderFieldCount: 100))),
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port), serverName: "pvit/\(version)",
                availableConnectionsDelegate: .maximum(ServiceOptions.connectionLimit, logger: serverLogger)),
            services: services,
            onServerRunning: { channel in whenListening(channel.localAddress?.port ?? options.port) },
            logger: serverLogger)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(
                        service: application, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup),
                    .init(
                        service: ShutdownSupervisor(inference: inference, gracePeriod: options.gracePeriod),
                        successTerminationBehavior: .ignore),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: serverLogger))
        defer { preparation.shutdownGracefully { _ in } }
        do {
            try await group.run()
        } catch let error
            where error is IOError || error is SocketAddressError || error is SocketAddressError.UnknownHost
        {
            let problem = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "there is no such host"
            throw PVITError(
                .serviceListen, "the server cannot listen on \(options.host):\(options.port): \(problem)",
                remedy: "choose another --host or --port")
        }
    }
}

extension PVITError.Code {
    /// The address of a service cannot be listened on.
    package static let serviceListen = Self("service.listen", .cannotCreate)
}

/// Runs the thread that computes, as a service of the group.
private struct InferenceRunner: Service {
    let inference: InferenceService
    let load: InferenceService.Loader

    func run() async throws {
        try await withTaskCancellationHandler {
            // The server's shutdown comes first and waits for answers. Then there is nothing left to compute.
            try await withGracefulShutdownHandler {
                try await inference.run(load)
            } onGracefulShutdown: {
                inference.stop()
            }
        } onCancel: {
            inference.stop()
        }
    }
}

/// Ends answers when the grace period is over, and the process at the second signal.
private struct ShutdownSupervisor: Service {
    let inference: InferenceService
    let gracePeriod: Duration

    func run() async throws {
        try? await gracefulShutdown()
        inference.drain()
        // The group waits for this service before it shuts down the next one, so the rest happens beside it.
        Task {
            try? await Task.sleep(for: gracePeriod)
            inference.stop()
        }
        Task {
            for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) { exit(128 + signal.number) }
        }
    }
}

extension UnixSignal {
    fileprivate var number: Int32 { self == .sigterm ? SIGTERM : SIGINT }
}
