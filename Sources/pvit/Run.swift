import ArgumentParser
import Glibc
import LanguageModel
import Platform
import PVITModel
import Storage
import SystemPackage
import Tensors
import Vision

/// `pvit run`: an answer to a prompt, or a conversation.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer a prompt, or hold a conversation.",
        discussion: """
            The prompt goes through the model's own chat template; with --raw it is the text to continue, special tokens \
            recognised. Without a prompt, or with - as prompt, it is read from standard input; on a terminal that is a \
            conversation, in which /help shows what can be done. A prompt that begins with - comes after --.

            A text that is piped in, or redirected from a file, joins a prompt: the prompt, an empty line, the text. \
            A file that was read in part already (as by a shell's loop) and a socket are left alone; --no-stdin leaves \
            everything alone, as < /dev/null does.

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
              cat notes.txt | pvit run smollm2.pvq "Quote the last sentence." --speculate
              pvit run smollm2.pvq -- "-5 + 3 is what?"
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "The prompt, or - for standard input.")
    var prompt: String?

    @OptionGroup var imageOptions: ImageOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most tokens to make; by default until the context is full.", valueName: "n"))
    var maxTokens: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("End the answer before this text; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(
        parsing: .unconditional,
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

    @Flag(inversion: .prefixedNo, help: ArgumentHelp("Whether piped text joins the prompt."))
    var stdin = true

    @Option(
        help: ArgumentHelp(
            "Keep the questions of a conversation in this file, for the arrow keys of the next one. By default nothing "
                + "is kept.", valueName: "file"))
    var history: FilePath?

    @OptionGroup var sampling: SamplingArguments

    func validate() throws {
        if let maxTokens, maxTokens < 0 { throw ValidationError("--max-tokens takes 0 or more") }
        if history != nil, prompt != nil || json {
            throw ValidationError("--history is for a conversation, which has no PROMPT and no --json")
        }
        if !stdin, prompt == nil || prompt == "-" {
            throw ValidationError("--no-stdin needs a PROMPT, as it would come from standard input")
        }
        if let speculate, !(1...64).contains(speculate) {
            throw ValidationError("--speculate takes a number from 1 to 64, or none")
        }
        if let context, !(1...1 << 30).contains(context) {
            throw ValidationError("--context takes a number from 1 to \(1 << 30)")
        }
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
        let isConversation = prompt == nil && isatty(STDIN_FILENO) == 1 && !json && !showPrompt
        if history != nil, !isConversation {
            throw ValidationError("--history is for a conversation, which takes place on a terminal")
        }
        // What is wrong with standard input is told before a model is opened.
        let text = isConversation ? "" : try promptText()
        let loaded = try model.load(
            context: context, cacheStorage: kvCache, seesImages: isConversation, image: imageOptions.header())
        if let chatTemplate { try loaded.useChatTemplate(namedOrIn: chatTemplate) }
        loaded.recognisesSpecialInMessages = parseSpecial
        let generator = try Generator(loaded, contextLength: context, storage: kvCache)
        generator.reading = ReadingProgress.update
        defer { ReadingProgress.finish() }
        noteContext(generator.contextLength, of: loaded.llama.configuration)
        if isConversation {
            var options = options
            options.mayCutPrompt = false
            let picture = try imageOptions.load(for: loaded)
            picture?.noteOrientation()
            let state = ConversationState(
                system: instructions, imageOptions: imageOptions, picture: picture, options: options)
            return try Conversation(
                generator: generator, isRaw: raw, state: state, history: history.map(InputHistory.init)
            ).run()
        }
        let picture = try imageOptions.load(for: loaded, prompt: (instructions ?? "") + text)
        if !json { picture?.noteOrientation() }
        let question = try picture?.prompt(text, mustUseAll: true) ?? text
        if showPrompt { return try show(question, loaded, showsImage: picture != nil) }
        try answer(question, generator, picture)
    }

    private func answer(_ text: String, _ generator: Generator, _ picture: Picture?) throws {
        Interruption.watch()
        let result = try generator.respond(
            to: text, image: picture?.image, system: instructions, isRaw: raw, options: options
        ) { part in
            ReadingProgress.finish()
            try Interruption.check()
            if !json { try StandardOutput.write(part) }
        }
        ReadingProgress.finish()
        if json {
            try StandardOutput.write(json: result.json(of: generator.model, picture: picture))
        } else {
            try StandardOutput.write("\n")
        }
        // A program finds why the answer ended in the JSON.
        for note in result.losses + (json ? [] : result.ending) { StandardError.write("note: \(note)\n") }
    }

    /// What is asked: the prompt, and what is piped into the program.
    private func promptText() throws -> String {
        guard let prompt, prompt != "-" else { return try PipedInput.prompt() }
        let question = prompt.repairingFileNameBytes
        guard stdin, let text = try PipedInput.textBesidePrompt() else { return question }
        return question.isEmpty ? text : "\(question)\n\n\(text)"
    }

    /// What `--system` says.
    private var instructions: String? { system?.repairingFileNameBytes }

    /// Prints what the model would read.
    private func show(_ prompt: String, _ model: LoadedModel, showsImage: Bool) throws {
        let text =
            try raw
            ? prompt
            : model.renderedText(of: messages(prompt, system: instructions), showsImage: showsImage).text
        if json {
            try StandardOutput.write(json: ["prompt": .string(text)])
        } else {
            try StandardOutput.write(text + "\n")
        }
    }

    private var options: GenerationOptions {
        GenerationOptions(
            maximumTokens: maxTokens, sampling: sampling.options, stops: stop.map(\.repairingFileNameBytes),
            speculation: speculate, overflow: overflow)
    }
}

/// The conversation of one prompt.
private func messages(_ prompt: String, system: String?) -> [ChatMessage] {
    (system.map { [ChatMessage(.system, $0)] } ?? []) + [ChatMessage(.user, prompt)]
}

extension Generator {
    /// Answers a single prompt.
    func respond(
        to prompt: String, image: PreparedImage?, system: String?, isRaw: Bool, options: GenerationOptions,
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
            "peak_rss_bytes": .integer(Int(clamping: ProcessStatus().peakResidentByteCount)),
            "file_bytes_read": .integer(Int(clamping: ProcessStatus().diskReadByteCount)),
            "bytes_read_per_token": .number(Double(decodeStream.readByteCount) / Double(max(decodedTokenCount, 1))),
            "reader_stall_s": .number(decodeStream.stallTime.seconds),
        ]
        return .object(object)
    }

    /// What of the text was left out to make room.
    var losses: [String] {
        var notes: [String] = []
        if cutTokenCount > 0 {
            notes.append("the first \(cutTokenCount) tokens of the prompt were cut off to make room for the answer")
        }
        if droppedTokenCount > 0 {
            notes.append("the oldest \(droppedTokenCount) tokens were dropped, as the context was full")
        }
        return notes
    }

    /// Why the answer ends before the model ended it.
    var ending: [String] {
        switch stopReason {
        case .length where tokens.count > 0:
            ["the answer was cut after \(tokens.count) token\(tokens.count == 1 ? "" : "s"), as --max-tokens says"]
        case .context: ["the context is full, so the answer ends here: --overflow slide goes on, --context makes room"]
        default: []
        }
    }
}
