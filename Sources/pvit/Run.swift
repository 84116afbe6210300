import ArgumentParser
import Glibc
import LanguageModel
import PVITModel
import SystemPackage
import Tensors
import Vision

/// `pvit run`: an answer to a prompt, or a conversation.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer a prompt, or hold a conversation.",
        discussion: """
            The prompt goes through the model's own chat template; with --raw it is the text to continue, special tokens \
            recognised. Without a prompt it is read from standard input; on a terminal that is a conversation.

            With --image a PVIT model is asked about an image. A region of it is named by --region and mentioned as {NAME}; \
            the model reads <Region><L…><L…><L…><L…></Region>, the edges in thousandths, which a prompt may have itself. \
            Further questions about the image do not look at it again.

            Examples:
              pvit run pvit.pvq --image dogs.jpg "What is in the picture?"
              pvit run pvit.pvq --image dogs.jpg --region left=20,80,310,366 "What is the dog in {left} doing?"
              pvit run pvit.pvq --image dogs.jpg --region a=0.1,0.2,0.5,0.9 --region b=0.5,0.2,0.9,0.9 "Compare {a} and {b}."
              pvit run smollm2.pvq "What is the capital of France?"
              pvit run smollm2.pvq --raw "Once upon a time" --max-tokens 100 --temperature 0.8 --seed 7
              pvit run smollm2.pvq "Name three rivers." --json
              pvit run smollm2.pvq "$(cat notes.txt) Quote the last sentence." --speculate
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "The prompt.")
    var prompt: String?

    @OptionGroup var imageOptions: ImageOptions

    @Option(help: ArgumentHelp("The most tokens to make; by default until the context is full.", valueName: "n"))
    var maxTokens: Int?

    @Option(help: ArgumentHelp("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @Option(help: ArgumentHelp("End the answer before this text; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(
        help: ArgumentHelp(
            "Room for prompt and answer together, in tokens; by default what the model was trained for.",
            valueName: "n"))
    var context: Int?

    @Option(
        help: "How keys and values are kept: f32, f16 or q8; by default f16, or q8 where --memory makes it necessary.")
    var kvCache: KVCache.Storage?

    @Option(
        help: ArgumentHelp(
            "When prompt and answer do not fit the context: stop, or slide, which drops the oldest part but for "
                + "instructions and image, says so, and goes on until the answer ends.",
            valueName: "stop|slide"))
    var overflow: ContextOverflow = .stop

    @Option(
        defaultAsFlag: 16, parsing: .next,
        help: ArgumentHelp(
            "Guess up to n tokens (16 without a number) from repetitions in the text and read them on trial: the same "
                + "answer, sooner where it quotes.",
            valueName: "n"))
    var speculate: Int?

    @Flag(help: "Give the model the prompt as it is, without its chat template.")
    var raw = false

    @Option(
        help: ArgumentHelp(
            "Put the conversation to the model by another chat template than its own: \(BuiltInTemplate.names), or a "
                + "file in Jinja.",
            valueName: "name|file"))
    var chatTemplate: String?

    @Flag(
        help: ArgumentHelp(
            "Let special tokens that prompt and instructions spell, such as <|im_end|>, become what they spell; by "
                + "default they are plain text, and only the template's own control the model."))
    var parseSpecial = false

    @Flag(help: "Print what the model would read, as text, and answer nothing.")
    var showPrompt = false

    @Flag(help: "Print one JSON object with text, tokens, stop reason and timings.")
    var json = false

    @OptionGroup var sampling: SamplingArguments

    func validate() throws {
        if let maxTokens, maxTokens < 0 { throw ValidationError("--max-tokens takes 0 or more") }
        if let speculate, !(1...64).contains(speculate) {
            throw ValidationError("--speculate takes a number from 1 to 64, or none")
        }
        if let context, context < 1 { throw ValidationError("--context takes 1 or more") }
        if raw, system != nil { throw ValidationError("--system is part of a chat template, and --raw uses none") }
        if raw, chatTemplate != nil {
            throw ValidationError("--chat-template is not for --raw, which uses no template")
        }
        if raw, parseSpecial {
            throw ValidationError("--raw recognises special tokens anyway: leave out --parse-special")
        }
        if stop.contains("") { throw ValidationError("--stop takes a text") }
    }

    func run() throws {
        let loaded = try model.load(
            context: context, cacheStorage: kvCache, seesImages: !imageOptions.image.isEmpty)
        if let chatTemplate { try loaded.useChatTemplate(namedOrIn: chatTemplate) }
        loaded.recognisesSpecialInMessages = parseSpecial
        let generator = try Generator(loaded, contextLength: context, storage: kvCache)
        let picture = try imageOptions.load()
        if prompt == nil, isatty(STDIN_FILENO) == 1, !json, !showPrompt {
            return try Conversation(
                generator: generator, system: system, isRaw: raw, picture: picture, options: options
            ).run()
        }
        var text = try prompt ?? standardInputText()
        if let picture { text = try picture.prompt(text, mustUseAll: true) }
        if showPrompt { return try show(text, loaded, showsImage: picture != nil) }
        Interruption.watch()
        let result = try generator.respond(
            to: text, image: picture?.pixels, system: system, isRaw: raw, options: options
        ) { part in
            try Interruption.check()
            if !json { try StandardOutput.write(part) }
        }
        if json {
            try StandardOutput.write(json: result.json(of: loaded, picture: picture))
        } else {
            try StandardOutput.write("\n")
        }
        result.noteLosses()
    }

    /// Prints what the model would read.
    private func show(_ prompt: String, _ model: LoadedModel, showsImage: Bool) throws {
        let text =
            try raw ? prompt : model.renderedText(of: messages(prompt, system: system), showsImage: showsImage).text
        if json {
            try StandardOutput.write(json: ["prompt": .string(text)])
        } else {
            try StandardOutput.write(text + "\n")
        }
    }

    private var options: GenerationOptions {
        GenerationOptions(
            maximumTokens: maxTokens, sampling: sampling.options, stops: stop, speculation: speculate,
            overflow: overflow)
    }

    /// All of standard input as text, without the line feed at its end.
    private func standardInputText() throws -> String {
        var bytes = try readStandardInput()
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The conversation of one prompt.
private func messages(_ prompt: String, system: String?) -> [ChatMessage] {
    (system.map { [ChatMessage(.system, $0)] } ?? []) + [ChatMessage(.user, prompt)]
}

extension Generator {
    /// Answers a single prompt.
    func respond(
        to prompt: String, image: PixelImage?, system: String?, isRaw: Bool, options: GenerationOptions,
        emit: (String) throws -> Void
    ) throws -> GenerationResult {
        if isRaw { return try complete(prompt, image: image, options, emit: emit) }
        return try answer(messages(prompt, system: system), image: image, options, emit: emit)
    }
}

extension GenerationResult {
    /// The answer and how it came about, for a program.
    func json(of model: LoadedModel, picture: Picture?) -> JSONValue {
        var object: JSONObject = [
            "text": .string(text),
            "tokens": .array(tokens.map { .integer(Int($0.rawValue)) }),
            "prompt_tokens": .integer(promptTokenCount),
            "cut_prompt_tokens": .integer(cutTokenCount),
            "dropped_tokens": .integer(droppedTokenCount),
            "drafted_tokens": .integer(draftedTokenCount),
            "accepted_tokens": .integer(acceptedTokenCount),
            "stop_reason": .string(stopReason.rawValue),
        ]
        if let picture {
            object["image"] = picture.json
            object["regions"] = .array(
                regions.map { [.integer($0.left), .integer($0.top), .integer($0.right), .integer($0.bottom)] })
        }
        object["timings"] = [
            "load_s": .number(model.loadTime.seconds),
            "vision_s": .number(visionTimings.total.seconds),
            "clip_s": .number(visionTimings.image.seconds),
            "region_s": .number(visionTimings.regions.seconds),
            "prefill_s": .number(prefillTime.seconds),
            "prefill_tokens_per_s": .number(prefillTokensPerSecond),
            "decode_s": .number(decodeTime.seconds),
            "decode_tokens_per_s": .number(decodeTokensPerSecond),
            "peak_rss_bytes": .integer(Int(clamping: ProcessStatus.peakResidentBytes)),
            "file_bytes_read": .integer(Int(clamping: ProcessStatus.bytesReadFromDisk)),
            "bytes_read_per_token": .number(Double(decodeStream.readByteCount) / Double(max(decodedTokenCount, 1))),
            "reader_stall_s": .number(decodeStream.stallTime.seconds),
        ]
        return .object(object)
    }

    /// Says what of the text was left out to make room.
    func noteLosses() {
        if cutTokenCount > 0 {
            StandardError.write(
                "note: the first \(cutTokenCount) tokens of the prompt were cut off to make room for the answer\n")
        }
        if droppedTokenCount > 0 {
            StandardError.write(
                "note: the oldest \(droppedTokenCount) tokens were dropped, as the context was full\n")
        }
    }
}
