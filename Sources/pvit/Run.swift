import ArgumentParser
import Glibc
import LanguageModel
import Platform
import PVITModel
import Storage
import SystemPackage
import Tensors
import Vision

/// `pvit run`: answers a prompt, or holds a conversation.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer a prompt, or hold a conversation.",
        discussion: """
            The prompt goes through the model's chat template. With --raw, it is the text to continue, and special \
            tokens in it are parsed. Without a prompt, run holds a conversation on a terminal (/help lists its \
            commands); otherwise it reads the prompt from standard input, as it does if the prompt is -. Write a \
            prompt that begins with - after --.

            Text that is piped in, or redirected from a file, is appended to the prompt after an empty line. Standard \
            input is ignored if it is a socket, or a file that was partly read before (as in a shell loop). --no-stdin \
            or < /dev/null ignores it always.

            --image gives a PVIT model an image to read. --region names a region of it, which the prompt mentions as \
            {NAME}. The model reads it as <Region><L…><L…><L…><L…></Region>, with edges in thousandths; a prompt may \
            also contain that itself. Further prompts about the same image do not encode it again.

            --session keeps the text that the model has read, with its keys, values and encoded image, in a file. A \
            later prompt that begins alike (the same image, the same instructions) is answered at once; the answer is \
            the one that it would be without the file. After the answer, the file has this prompt and its answer.

            Examples:
              pvit run pvit.pvq --image dogs.jpg "What is in the picture?"
              pvit run pvit.pvq --image dogs.jpg "How many dogs are there?" --session dogs.session
              pvit run pvit.pvq --image dogs.jpg --region left=20,80,310,366 "What is the dog in {left} doing?"
              pvit run pvit.pvq --image dogs.jpg --region a=0.1,0.2,0.5,0.9 --region b=0.5,0.2,0.9,0.9 "{a} or {b}?"
              pvit run smollm2.pvq "What is the capital of France?"
              pvit run smollm2.pvq --raw "Once upon a time" --max-tokens 100 --temperature 0.8 --seed 7
              pvit run smollm2.pvq "Name three rivers." --json
              cat notes.txt | pvit run smollm2.pvq "Quote the last sentence." --speculate
              pvit run smollm2-f16.pvq "Tell me about rivers." --draft smollm2-q4.pvq
              pvit run smollm2.pvq -- "-5 + 3 is what?"
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "The prompt, or - for standard input.")
    var prompt: String?

    @OptionGroup var imageOptions: ImageOptions

    @Option(valueName: "n", help: "The maximum number of tokens to generate; by default until the context is full.")
    var maxTokens: Int?

    @Option(valueName: "text", help: "Instructions for the whole conversation.")
    var system: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("End the answer before this text. Can be repeated.", valueName: "text"))
    var stop: [String] = []

    @Option(
        valueName: "n",
        help: "The context length for prompt and answer together, in tokens; by default what the model was trained for."
    )
    var context: Int?

    @Option(
        help: "The type of the KV cache: f32, f16 or q8; by default f16, or q8 if memory is short.")
    var kvCache: KVCache.Storage?

    @Option(
        help: ArgumentHelp(
            "What to do when the context is full: stop ends the answer; slide drops the oldest tokens, except "
                + "instructions and image, and goes on.",
            valueName: "stop|slide"))
    var overflow: ContextOverflow = .stop

    @Option(
        defaultAsFlag: 16, parsing: .next,
        help: ArgumentHelp(
            "Guess up to n tokens (by default 16) from repetitions in the text and check them in one pass. The answer "
                + "is the same, but faster where it quotes.",
            valueName: "n"))
    var speculate: Int?

    @Option(
        help: ArgumentHelp(
            "Guess tokens with this small model of the same vocabulary, a .pvq file, and check several in one pass. "
                + "The answer is the same at temperature 0, and as likely otherwise. With --speculate too, repetitions "
                + "come first.",
            valueName: "file"))
    var draft: FilePath?

    @Flag(help: "Continue the prompt as text, without the chat template.")
    var raw = false

    @OptionGroup var template: ChatTemplateOption

    @Flag(
        help: ArgumentHelp(
            "Parse special tokens, such as <|im_end|>, in prompt and instructions. By default they are plain text "
                + "there, and only those of the template are parsed."))
    var parseSpecial = false

    @Flag(help: "Print the text that the model would read, and do not answer.")
    var showPrompt = false

    @Flag(help: "Print one JSON object with text, tokens, stop reason and timings.")
    var json = false

    @Flag(inversion: .prefixedNo, help: ArgumentHelp("Append piped text to the prompt, or ignore it."))
    var stdin = true

    @Option(
        help: ArgumentHelp(
            "Keep the messages that you write in this file, so that the arrow keys recall them in the next "
                + "conversation. By default nothing is kept.", valueName: "file"))
    var history: FilePath?

    @Option(
        help: ArgumentHelp(
            "Keep what the model has read in this file, so that the next run does not compute it again. The file is "
                + "created if it does not exist, and belongs to this model.", valueName: "file"))
    var session: FilePath?

    @OptionGroup var sampling: SamplingArguments

    func validate() throws {
        if let maxTokens, maxTokens < 0 { throw ValidationError("--max-tokens takes 0 or more") }
        if history != nil, prompt != nil || json {
            throw ValidationError("--history is for conversations, which take no PROMPT and no --json")
        }
        if session != nil, showPrompt {
            throw ValidationError("--session and --show-prompt exclude each other: --show-prompt does not answer")
        }
        if !stdin, prompt == nil || prompt == "-" {
            throw ValidationError("--no-stdin needs a PROMPT, because otherwise the prompt is read from standard input")
        }
        if let speculate, !(1...64).contains(speculate) {
            throw ValidationError("--speculate takes a number from 1 to 64, or no number")
        }
        if let context, !(1...1 << 30).contains(context) {
            throw ValidationError("--context takes a number from 1 to \(1 << 30)")
        }
        if raw, system != nil { throw ValidationError("--system needs a chat template, and --raw uses none") }
        if raw, template.name != nil {
            throw ValidationError("--chat-template and --raw exclude each other: --raw uses no template")
        }
        if raw, parseSpecial {
            throw ValidationError("--raw always parses special tokens: leave out --parse-special")
        }
        if stop.contains("") { throw ValidationError("--stop takes a text that is not empty") }
    }

    func run() throws {
        let isConversation = prompt == nil && isatty(STDIN_FILENO) == 1 && !json && !showPrompt
        if history != nil, !isConversation {
            throw ValidationError("--history is for conversations, and these need a terminal")
        }
        let session = try session.map {
            try Session(
                path: $0, model: model.file,
                files: imageOptions.image + [draft, history, template.name.map { FilePath(text: $0) }])
        }
        // Read standard input first, so that its errors are reported before the model is opened.
        let text = isConversation ? "" : try promptText()
        let draftFile = try draft.map { path in try withContainer(at: path) { try DraftFile(opening: path) } }
        let loaded = try model.load(
            context: context, cacheStorage: kvCache,
            logitsRowCount: MemoryRequest.logitsRowCount(speculation: speculate, hasDraft: draft != nil),
            isSampled: sampling.temperature > 0, seesImages: isConversation, image: imageOptions.header(),
            draft: draftFile)
        try template.apply(to: loaded)
        loaded.parsesSpecialTokensInMessages = parseSpecial
        let generator = try Generator(loaded, contextLength: context, storage: kvCache, draft: draftFile)
        try session?.read(into: generator)
        generator.onPrefill = PrefillProgress.update
        defer { PrefillProgress.finish() }
        noteContext(generator.contextLength, of: loaded.llama.configuration)
        if isConversation {
            var options = options
            options.mayCutPrompt = false
            let picture = try imageOptions.load(for: loaded)
            picture?.noteOrientation()
            let state = ConversationState(
                system: instructions, imageOptions: imageOptions, picture: picture, options: options)
            return try Conversation(
                generator: generator, isRaw: raw, state: state, history: history.map(InputHistory.init),
                session: session
            ).run()
        }
        // Further prompts about the image of a session may have regions.
        let picture = try imageOptions.load(
            for: loaded, prompt: session == nil ? (instructions ?? "") + text : nil)
        if !json { picture?.noteOrientation() }
        let prompt = try picture?.prompt(text, mustUseAll: true) ?? text
        if showPrompt { return try show(prompt, loaded, showsImage: picture != nil) }
        try answer(prompt, generator, picture, session)
    }

    private func answer(_ text: String, _ generator: Generator, _ picture: Picture?, _ session: Session?) throws {
        Interruption.watch()
        let result = try generator.respond(
            to: text, image: picture?.image, system: instructions, isRaw: raw, options: options
        ) { chunk in
            PrefillProgress.finish()
            try Interruption.check()
            if !json { try StandardOutput.write(chunk) }
        }
        PrefillProgress.finish()
        if !json { try StandardOutput.write("\n") }
        // An answer is printed even if the session cannot be written.
        let written = Result { try session?.write(generator) }
        if json {
            let summary = try? written.get()
            try StandardOutput.write(json: result.json(of: generator.model, picture: picture, session: summary))
        }
        // With --json, the stop reason tells why the answer ended.
        for note in result.losses + (json ? [] : result.ending) { StandardError.write("note: \(note)\n") }
        guard let session, let summary = try written.get(), !json else { return }
        StandardError.write("note: \(session.note(result, summary))\n")
    }

    /// The prompt, with the text that is piped in.
    private func promptText() throws -> String {
        guard let prompt, prompt != "-" else { return try PipedInput.prompt() }
        let request = prompt.repairingFileNameBytes
        guard stdin, let text = try PipedInput.textBesidePrompt() else { return request }
        return request.isEmpty ? text : "\(request)\n\n\(text)"
    }

    /// The instructions of `--system`.
    private var instructions: String? { system?.repairingFileNameBytes }

    /// Prints the text that the model would read.
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

/// The conversation that consists of one prompt.
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
    /// The answer and its statistics as JSON, with the image and the session.
    func json(of model: LoadedModel, picture: Picture?, session: Session.Summary?) -> JSONValue {
        var object = json(of: model)
        if picture == nil { object["regions"] = nil }
        object["image"] = picture?.json
        if let session {
            object["session_tokens"] = .integer(session.positionCount)
            object["session_bytes"] = .integer(Int(clamping: session.size.rawValue))
        }
        return .object(object)
    }
}

extension GenerationResult {
    /// A note if the answer was ended before the model ended it.
    var ending: [String] {
        switch stopReason {
        case .length where tokens.count > 0:
            ["the answer was cut after \(tokens.count) token\(tokens.count == 1 ? "" : "s") because of --max-tokens"]
        case .context: ["the answer ends here because the context is full: try --overflow slide, or a longer --context"]
        default: []
        }
    }
}
