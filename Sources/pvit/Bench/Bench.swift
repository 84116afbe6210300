import ArgumentParser
import Container
import LanguageModel
import Platform
import PVITModel
import Storage
import SystemPackage
import Vision

/// `pvit bench`: measures how fast a model runs, and the limits of the machine.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Measure how fast a model reads prompts (prefill) and generates tokens (decode), and the machine's limits.",
        discussion: """
            Each figure is the median of several runs; a first run does not count. The spread is the difference \
            between the slowest and the fastest run, relative to the median. Weight GB/s is the rate at which layers \
            and output layer read their weights.

            The limit is the speed at which the machine, with the same threads, could read every byte of the weights \
            from memory once in each pass, or do all multiplications of 4-bit and 8-bit weights with its fastest \
            instruction for bytes, whichever is slower. The rows "read" and "dot" show both; \
            "loop" is the time to hand out a loop without work to all threads and to wait for its end. A token takes some \
            five loops a layer. If --memory makes the model stream weights, decode is also limited by the disk: the row \
            "streaming" shows how fast weights were streamed, the disk's speed, which was measured just before, and the \
            share of it that streaming reached.

            --draft measures generating tokens with and without a draft model instead, in turns: a run answers a \
            prompt both ways, with each model opened anew, and checks that the answers are the same. "accepted" is the \
            share of guesses that were accepted.

            --image measures the time to the first token of an answer about an image instead, and its parts: decoding \
            and scaling the file, CLIP, the region encoder with one region, the projectors, and reading the prompt until \
            the first token is drawn. Each run asks a model that has not seen the image.

            --kernels measures single kernels instead, on one thread, for each instruction set that the machine has. \
            It needs no model.

            Examples:
              pvit bench smollm2.pvq --prompt-tokens 128,512 --threads 1,2
              pvit bench smollm2.pvq --prompt-tokens 0 --context 2048
              pvit bench smollm2.pvq --first-pass --generate-tokens 0
              pvit bench pvit.pvq --image dogs.jpg
              pvit bench smollm2.pvq --draft smollm2-q4.pvq --memory 200MB
              pvit bench --kernels
            """)

    @Argument(help: "The model: a .pvq file.")
    var file: FilePath?

    @Option(valueName: "n,n,…", help: "The lengths of the prompts to read, by default 128,512; 0 skips prefill.")
    var promptTokens: NumberList?

    @Option(valueName: "n", help: "The number of tokens to generate; 0 skips decode.")
    var generateTokens = 64

    @Option(valueName: "n", help: "The number of tokens in the context before decode begins; by default 0.")
    var context: Int?

    @Option(
        valueName: "n,n,…",
        help: "The numbers of threads to measure with; by default one for each processor that the program may use.")
    var threads: NumberList?

    @Option(valueName: "n", help: "The number of runs for each figure.")
    var runs = 5

    @Option(help: "The type of the KV cache: f32, f16 or q8.")
    var kvCache: KVCache.Storage = .f16

    @Flag(help: "Also measure the first pass after opening a file, which verifies checksums.")
    var firstPass = false

    @Option(
        help: ArgumentHelp(
            "Measure the time to the first token of an answer about this image instead.", valueName: "file"))
    var image: FilePath?

    @Option(
        help: ArgumentHelp(
            "Measure generating tokens with and without this draft model, a .pvq file, instead.", valueName: "file"))
    var draft: FilePath?

    @Option(
        help: ArgumentHelp(
            "With --draft: the prompt to answer; by default each run takes the next of three requests for prose.",
            valueName: "text"))
    var prompt: String?

    @OptionGroup var memory: MemoryOptions

    @Flag(help: "Measure single kernels instead of a model.")
    var kernels = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard kernels == (file == nil) else {
            throw ValidationError("bench takes a .pvq file, or --kernels and no file")
        }
        guard NumberList.range.contains(generateTokens) else {
            throw ValidationError("--generate-tokens takes a number from 0 to \(NumberList.range.upperBound)")
        }
        guard NumberList.range.contains(context ?? 0) else {
            throw ValidationError("--context takes a number from 0 to \(NumberList.range.upperBound)")
        }
        guard (1...1000).contains(runs) else { throw ValidationError("--runs takes a number from 1 to 1000") }
        guard (threads?.values ?? []).allSatisfy({ (1...256).contains($0) }) else {
            throw ValidationError("--threads takes numbers from 1 to 256")
        }
        guard image == nil || !kernels && !firstPass else {
            throw ValidationError("--image needs a model, and excludes --kernels and --first-pass")
        }
        guard draft == nil || !kernels && !firstPass && image == nil && promptTokens == nil && context == nil else {
            throw ValidationError(
                "--draft needs a model, and excludes --kernels, --first-pass, --image, --prompt-tokens and --context")
        }
        guard draft == nil || generateTokens > 0 else { throw ValidationError("--draft needs tokens to generate") }
        guard prompt == nil || draft != nil else { throw ValidationError("--prompt needs --draft") }
        guard !kernels || !firstPass else { throw ValidationError("--first-pass needs a model") }
        guard !kernels || threads == nil else { throw ValidationError("--kernels measures one thread") }
    }

    func run() throws {
        Interruption.watch()
        let clock = Stopwatch(runs: runs)
        if let file, let image {
            try show(measure(file, image, clock), titles: ImageMeasurement.titles, \.cells, \.json)
        } else if let file, let draft {
            try show(measure(file, draft: draft), titles: DraftMeasurement.titles, \.cells, \.json)
        } else if let file {
            try show(measure(file, clock), titles: Measurement.titles, \.cells, \.json)
        } else {
            let figures = try measureKernels(clock)
            try show(figures, titles: KernelMeasurement.titles, \.cells, \.json)
        }
    }

    private func measure(_ file: FilePath, _ clock: Stopwatch) throws -> [Measurement] {
        // Report a file that is not a container before measuring the machine.
        _ = try withContainer(at: file) { try Container(opening: file) }
        var measurements: [Measurement] = []
        for threadCount in threads?.values ?? [MachineProcessors.available] {
            let engine = try makeEngine(threadCount: threadCount)
            let limits = try MachineLimits(of: engine, within: memory.memory, clock)
            let benchmark = try ModelBenchmark(
                opening: file, engine: engine, memory: memoryRequest, limits: limits, clock: clock, storage: kvCache)
            memory.report(benchmark.plan)
            if measurements.isEmpty { noteContext(longestContext, of: benchmark.configuration) }
            for count in promptLengths where count > 0 {
                if firstPass {
                    measurements += try benchmark.prefillAndFirst(tokens: count)
                } else {
                    measurements.append(try benchmark.prefill(tokens: count))
                }
            }
            if generateTokens > 0 {
                measurements += try benchmark.decode(tokens: generateTokens, context: context ?? 0)
            }
            measurements += limits.measurements
        }
        return measurements
    }

    private func measure(_ file: FilePath, _ image: FilePath, _ clock: Stopwatch) throws -> [ImageMeasurement] {
        let header = try ImageFile(path: image).header
        let benchmark = ImageBenchmark(file: file, image: image, kvCache: kvCache, clock: clock)
        return try (threads?.values ?? [MachineProcessors.available]).flatMap { count in
            try benchmark.measure(
                engine: makeEngine(threadCount: count),
                memory: MemoryRequest(limit: memory.memory, cacheStorage: kvCache, image: header))
        }
    }

    private func measure(_ file: FilePath, draft: FilePath) throws -> [DraftMeasurement] {
        let benchmark = DraftBenchmark(
            file: file, draft: draft, prompts: prompt.map { [$0] } ?? DraftBenchmark.prompts,
            tokenCount: generateTokens, kvCache: kvCache, memory: memory, runs: runs)
        return try (threads?.values ?? [MachineProcessors.available]).flatMap { count in
            try benchmark.measure(engine: makeEngine(threadCount: count))
        }
    }

    private var promptLengths: [Int] { promptTokens?.values ?? [128, 512] }

    /// The longest context that is measured.
    private var longestContext: Int {
        max(promptLengths.max() ?? 1, (context ?? 0) + generateTokens + 1)
    }

    private var memoryRequest: MemoryRequest {
        MemoryRequest(
            limit: memory.memory, contextLength: longestContext, cacheStorage: kvCache, logitsRowCount: 1)
    }

    private func show<Figure>(
        _ figures: [Figure], titles: [(String, TextTable.Alignment)], _ cells: (Figure) -> [String],
        _ object: (Figure) -> JSONValue
    ) throws {
        guard !json else { return try StandardOutput.write(json: .array(figures.map(object))) }
        var table = TextTable(titles.map { (title: $0.0, alignment: $0.1) })
        for figure in figures { table.add(cells(figure)) }
        try StandardOutput.write(table.text)
    }
}
