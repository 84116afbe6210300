import ArgumentParser
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Vision

/// `pvit evaluate fineeval`: answers a list of questions about images.
struct EvaluateFineEval: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fineeval",
        abstract: "Answer FineEval's questions about images, one line of JSON for each.",
        discussion: """
            A question is a line such as {"image": "0000.jpg", "instruction": "What is in \
            <Region><L204><L469><L810><L960></Region>?"}. Its answer repeats both and adds "output". Several questions \
            are answered in a batch; the answers do not depend on that. Each answer is written at once, and at the end \
            they are sorted into the order of the questions. To resume an interrupted run, run the same command again. \
            A question that cannot be answered is reported and skipped; the next run tries it again.

            Example:
              pvit evaluate fineeval pvit.pvq --questions instructions.jsonl --images images --output answers.jsonl
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "The questions: a file of JSON lines.")
    var questions: FilePath

    @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"))
    var images: FilePath

    @Option(name: .shortAndLong, help: "The file of JSON lines to write, or to resume.")
    var output: FilePath

    @Option(valueName: "n", help: "The maximum number of tokens in an answer; 32 is PVIT's own setting.")
    var maxTokens = 32

    @Option(help: "The type of the KV cache: f32, f16 or q8; by default f16, or q8 if memory is short.")
    var kvCache: KVCache.Storage?

    @Option(valueName: "n", help: "The number of questions to answer in a batch.")
    var together = 4

    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var display: OutputOptions

    func validate() throws {
        if maxTokens < 1 { throw ValidationError("--max-tokens takes 1 or more") }
        if !(1...64).contains(together) { throw ValidationError("--together takes a number from 1 to 64") }
    }

    func run() throws {
        try output.requireApart(fromCheckpoints: model.file, files: [questions])
        let list = try FineEvalQuestions(path: questions)
        guard isFolder(images) else {
            throw PVITError(.fileNotFound, "there is no folder of this name", file: images)
        }
        var answers = try AnswerFile(path: output, questions: list)
        if answers.count > 0 { display.note("\(answers.count) of \(list.lines.count) questions are already answered") }
        let loaded = try model.load(cacheStorage: kvCache, sequenceCount: together, seesImages: true)
        let pool = try AnswerPool(loaded, count: together, storage: kvCache)
        try answers.open()
        Interruption.watch()
        let failures = try answer(list, pool, &answers)
        try answers.finish()
        guard failures == 0 else {
            throw PVITError(
                .fineEvalUnanswered, "\(failures) of \(list.lines.count) questions were not answered", file: questions,
                remedy: "fix the problems reported above and run the same command again")
        }
        display.note("wrote \(output.readable): \(list.lines.count) answers")
    }

    /// Answers the questions that are not answered yet. Returns the number of those that could not be answered.
    private func answer(_ list: FineEvalQuestions, _ pool: AnswerPool, _ answers: inout AnswerFile) throws -> Int {
        var failures = 0
        var reader = ImageReader(folder: images, model: pool.model)
        var next = 0
        var done: UInt64 = 0
        let line = ProgressLine("answering", unit: "questions", quiet: display.quiet)
        defer { line.finish() }
        func skip(_ number: Int, _ error: any Error) throws {
            guard let error = error as? PVITError, error.concernsOneQuestion else { throw error }
            failures += 1
            done += 1
            line.finish()
            StandardError.write("pvit: question \(number + 1): \(error)\n")
        }
        try pool.answer(
            next: {
                while next < list.lines.count {
                    let number = next
                    next += 1
                    do {
                        let question = try list.lines[number].get()
                        guard !answers.takeExisting(question, number: number) else {
                            done += 1
                            continue
                        }
                        return PoolRequest(
                            number: number, messages: [ChatMessage(.user, question.instruction)],
                            image: try reader.image(question.image),
                            options: GenerationOptions(maximumTokens: maxTokens, sampling: sampling.options))
                    } catch {
                        try skip(number, error)
                    }
                }
                return nil
            },
            eachPass: {
                try Interruption.check()
                line.update(done: done, total: UInt64(list.lines.count))
            },
            finish: { number, result in
                switch result {
                case .success(let answer):
                    try answers.append(answer.text, to: list.lines[number].get(), number: number)
                    done += 1
                case .failure(let error): try skip(number, error)
                }
            })
        if reader.turnedCount > 0 {
            line.finish()
            let images = reader.turnedCount == 1 ? "1 image has" : "\(reader.turnedCount) images have"
            display.note("\(images) an EXIF orientation, which is ignored: the model reads images as stored")
        }
        return failures
    }
}

extension PVITError {
    /// Whether the error concerns only one question, so that the others can still be answered.
    fileprivate var concernsOneQuestion: Bool {
        [
            "image.", "prompt.", "vision.input", "file.not-found", "file.unreadable", "fineeval.question",
            "model.context", "model.token",
        ]
        .contains { code.name.hasPrefix($0) }
    }
}

/// Reads images, and caches the last one for the questions that follow.
private struct ImageReader {
    let folder: FilePath
    let model: LoadedModel
    /// The number of images with an EXIF orientation.
    private(set) var turnedCount = 0
    private var last: (name: String, image: PreparedImage)?

    init(folder: FilePath, model: LoadedModel) {
        self.folder = folder
        self.model = model
    }

    mutating func image(_ name: String) throws -> PreparedImage {
        if let last, last.name == name { return last.image }
        guard let path = folder.lexicallyResolving(FilePath(name)) else {
            throw PVITError(.fineEvalQuestion, "the image \"\(name)\" is outside the folder of images", file: folder)
        }
        let image = try model.image(contentsOf: path)
        if image.orientation != .upright { turnedCount += 1 }
        last = (name, image)
        return image
    }
}
