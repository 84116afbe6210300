import ArgumentParser
import Compute
import Glibc
import LanguageModel
import Logging
import Parallelism
import Platform
import PVITModel
import PVITService
import Storage
import SystemPackage

/// `pvit serve`: answers requests over HTTP.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests over HTTP: OpenAI's API, PVIT's worker protocol, and a page.",
        discussion: """
            The page at / asks questions about images: draw boxes, mention them, and watch the answer. Programs use \
            OpenAI's API below /v1, with images as data: URLs and regions as content parts; LLaVA's and PVIT's own \
            programs use the worker protocol. formats/http_api.md describes all paths.

            Answers share passes through the model. Long prompts are read in slices and images layer by layer, so \
            that nobody waits long for another. What prompts have in common is computed once.

            SIGTERM lets answers end for up to 30 seconds; a second one ends the program at once.

            Examples:
              pvit serve pvit.pvq --open
              pvit serve pvit.pvq --host 0.0.0.0 --port 9000 --api-key-file keys.txt --parallel 8
              curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
                -d '{"messages": [{"role": "user", "content": "What is the capital of France?"}]}'
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("The address to listen on; 0.0.0.0 or :: for all.", valueName: "address"))
    var host = "127.0.0.1"

    @Option(valueName: "n", help: "The port to listen on; 0 for a free one.")
    var port = 8080

    @Option(valueName: "n", help: "The number of requests to answer at a time; others wait.")
    var parallel = 4

    @Option(valueName: "n", help: "The number of requests that may wait; further ones get status 429.")
    var queue = 64

    @Option(
        valueName: "n", help: "The context length of a request, in tokens; by default what the model was trained for.")
    var context: Int?

    @Option(help: "The type of the KV cache: f32, f16 or q8; by default f16, or q8 if memory is short.")
    var kvCache: KVCache.Storage?

    @Option(help: ArgumentHelp("Require one of the keys in this file, one on each line.", valueName: "file"))
    var apiKeyFile: FilePath?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Let pages of this origin call the API, such as https://example.org, or * for all. Can be repeated.",
            valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(help: ArgumentHelp("The maximum size of a request's body.", valueName: "size"))
    var maxBody = ByteCount(64 << 20)

    @Flag(name: .customLong("no-page"), help: "Do not serve the page.")
    var hidesPage = false

    @Flag(help: "Open the page in a browser.")
    var open = false

    @Option(help: ArgumentHelp("Let requests name image files in this folder.", valueName: "folder"))
    var mediaFolder: FilePath?

    @OptionGroup var template: ChatTemplateOption

    @Option(help: ArgumentHelp("The name of the model in the API; by default that of the file.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Register with this controller of LLaVA's protocol and send it heartbeats, such as http://127.0.0.1:21001.",
            valueName: "url"))
    var controller: String?

    @Option(
        help: ArgumentHelp(
            "The address under which the controller reaches this server; by default http://HOST:PORT.", valueName: "url"
        ))
    var workerAddress: String?

    @Option(valueName: "s", help: "The maximum time for an answer, in seconds, waiting included.")
    var requestTimeout = 3600

    @Flag(name: .shortAndLong, help: "Log warnings and errors only.")
    var quiet = false

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port takes a number from 0 to 65535") }
        guard (1...AnswerScheduler.maximumSlotCount).contains(parallel) else {
            throw ValidationError("--parallel takes a number from 1 to \(AnswerScheduler.maximumSlotCount)")
        }
        guard (0...100_000).contains(queue) else { throw ValidationError("--queue takes a number from 0 to 100000") }
        if let context, !(1...1 << 30).contains(context) {
            throw ValidationError("--context takes a number from 1 to \(1 << 30)")
        }
        guard (1...1_000_000).contains(requestTimeout) else {
            throw ValidationError("--request-timeout takes a number from 1 to 1000000")
        }
        guard (1...UInt64(1 << 40)).contains(maxBody.rawValue) else {
            throw ValidationError("--max-body takes a size from 1 byte to 1 TiB")
        }
        if controller != nil, workerAddress == nil, port == 0 || host == "0.0.0.0" || host == "::" {
            throw ValidationError("--controller needs --worker-address if --host or --port does not name an address")
        }
        if open, hidesPage { throw ValidationError("--open and --no-page exclude each other") }
        for origin in allowOrigin where origin != "*" && !(origin.contains("://") && !origin.hasSuffix("/")) {
            throw ValidationError("--allow-origin takes an origin such as https://example.org, without a path, or *")
        }
        for url in [controller, workerAddress].compactMap(\.self) where !url.hasPrefix("http://") {
            throw ValidationError("--controller and --worker-address take an address that begins with http://")
        }
    }

    func run() throws {
        try checkFiles()
        let options = try options()
        var logger = Logger(label: "pvit") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = quiet ? .warning : .info
        let (model, template) = (model, template)
        let service = PVITService(options, version: PVITCommand.version, logger: logger) { gate in
            let loaded = try model.load(
                context: options.contextLength, cacheStorage: options.cacheStorage, sequenceCount: options.slotCount,
                seesImages: true, checkpoint: gate.check)
            try template.apply(to: loaded)
            return loaded
        }
        let opens = open
        try Self.wait {
            try await service.run { port in
                let address = options.address(port: port)
                StandardError.write("listening on \(address)/\n")
                if opens { Browser.open(address + "/") }
            }
        }
    }

    /// The settings of the service.
    private func options() throws -> ServiceOptions {
        var options = ServiceOptions(
            modelName: name ?? model.file.stem ?? "model", modelFile: model.file)
        options.host = host
        options.port = port
        options.slotCount = parallel
        options.queueLimit = queue
        options.contextLength = context
        options.cacheStorage = kvCache
        options.apiKeys = try apiKeyFile.map(Self.keys) ?? []
        options.allowedOrigins = allowOrigin
        options.bodyLimit = maxBody
        options.showsPage = !hidesPage
        options.mediaFolder = mediaFolder
        options.controller = controller
        options.workerAddress = workerAddress
        options.requestTimeout = .seconds(requestTimeout)
        return options
    }

    /// Reports files that are missing before anything is started.
    private func checkFiles() throws {
        guard access(model.file.string, F_OK) == 0 else { throw PVITError.absent(model.file) }
        guard let mediaFolder, !isFolder(mediaFolder) else { return }
        guard access(mediaFolder.string, F_OK) == 0 else { throw PVITError.absent(mediaFolder) }
        throw PVITError(.fileUnreadable, "this is not a folder", file: mediaFolder)
    }

    /// The maximum size of a file of keys, in bytes.
    private static let keyFileByteCount = 1 << 20

    /// The keys in a file: one on each line, without white space around it. Lines that begin with # are comments.
    private static func keys(in path: FilePath) throws -> [String] {
        let file = try MappedFile(path: path)
        guard file.byteCount <= keyFileByteCount else {
            throw PVITError(.apiKeyFile, "the file is too large for a list of keys", file: path)
        }
        let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PVITError(.apiKeyFile, "the keys are not UTF-8 text", file: path)
        }
        let keys = text.split(whereSeparator: \.isNewline).compactMap { line in
            line.wholeMatch(of: /\s*(.*?)\s*/)?.1
        }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !keys.isEmpty else {
            throw PVITError(.apiKeyFile, "the file has no key", file: path, remedy: "write one key on each line")
        }
        return keys.map { String($0) }
    }

    /// Runs asynchronous work and waits for its end.
    private static func wait(for work: @escaping @Sendable () async throws -> Void) throws {
        let result = Condition<Result<Void, any Error>?>(nil)
        Task {
            do {
                try await work()
                result.change { $0 = .success(()) }
            } catch {
                result.change { $0 = .failure(error) }
            }
        }
        try result.wait(for: { $0 }).get()
    }
}

extension PVITError.Code {
    /// A file of API keys has no key, or is none.
    static let apiKeyFile = Self("service.api-key-file", .badData)
}
