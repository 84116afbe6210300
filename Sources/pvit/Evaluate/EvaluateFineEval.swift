import ArgumentParser
import LanguageModel
import PVITModel
import SystemPackage
import Tensors
import Vision

/// `pvit evaluate fineeval`: a PVIT model's answers to a list of questions about images.
struct EvaluateFineEval: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fineeval",
        abstract: "Answer FineEval's questions about images, one line of JSON for each.",
        discussion: """
            A line of the questions is {"image": "0000.jpg", "instruction": "What is in <Region><L204><L469><L810><L960></Region>?"}, \\
            a line of the answers has "output" too. Answers are in the order of the questions and are written as they are made: \\
            a run that was stopped goes on where it was when it is started again with the same output. A question that cannot \\
            be answered is told and passed over; the next run tries it again.

            Example:
              pvit evaluate fineeval pvit.pvq --questions instructions.jsonl --images images --output answers.jsonl
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "The questions: a file of JSON lines.")
    var questions: FilePath

    @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"))
    var images: FilePath

    @Option(name: .shortAndLong, help: "The file of JSON lines to write, or to complete.")
    var output: FilePath

    @Option(help: ArgumentHelp("The most tokens of an answer; 32 as in PVIT's own run.", valueName: "n"))
    var maxTokens = 32

    @Option(help: "How keys and values are kept: f32, f16 or q8.")
    var kvCache: KVCache.Storage?

    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var display: OutputOptions

    func validate() throws {
        if maxTokens < 1 { throw ValidationError("--max-tokens takes 1 or more") }
    }

    func run() throws {
        let list = try FineEvalQuestions(path: questions)
        guard isFolder(images) else {
            throw PVITError(.fileNotFound, "there is no folder of this name", file: images)
        }
        var answers = try AnswerFile(path: output, questions: list)
        if answers.count > 0 { display.note("\(answers.count) of \(list.lines.count) questions are answered already") }
        let generator = try Generator(model.load(cacheStorage: kvCache, seesImages: true), storage: kvCache)
        Interruption.watch()
        var failures = 0
        var reader = ImageReader(folder: images)
        do {
            let line = ProgressLine("answering", unit: "questions", quiet: display.quiet)
            defer { line.finish() }
            for (number, entry) in list.lines.enumerated() {
                try Interruption.check()
                line.update(done: UInt64(number), total: UInt64(list.lines.count))
                do {
                    let question = try entry.get()
                    guard !answers.takeExisting(question) else { continue }
                    let result = try generator.answer(
                        [ChatMessage(.user, question.instruction)], image: reader.image(question.image),
                        GenerationOptions(maximumTokens: maxTokens, sampling: sampling.options)
                    ) { _ in try Interruption.check() }
                    try answers.append(result.text, to: question)
                } catch let error as PVITError where error.concernsOneQuestion {
                    failures += 1
                    line.finish()
                    StandardError.write("pvit: question \(number + 1): \(error)\n")
                }
            }
        }
        try answers.finish()
        guard failures == 0 else {
            throw PVITError(
                .fineEvalUnanswered, "\(failures) of \(list.lines.count) questions were not answered", file: questions,
                remedy: "mend what was told above and run the same command again")
        }
        display.note("wrote \(output): \(list.lines.count) answers")
    }
}

extension PVITError {
    /// Whether other questions may be answered all the same.
    fileprivate var concernsOneQuestion: Bool {
        [
            "image.", "prompt.", "vision.input", "file.not-found", "file.unreadable", "fineeval.question",
            "model.context",
        ]
        .contains { code.name.hasPrefix($0) }
    }
}

/// Reads images, and keeps the last one for the questions that follow.
private struct ImageReader {
    let folder: FilePath
    private var last: (name: String, image: PixelImage)?

    init(folder: FilePath) { self.folder = folder }

    mutating func image(_ name: String) throws -> PixelImage {
        if let last, last.name == name { return last.image }
        guard let path = folder.lexicallyResolving(FilePath(name)) else {
            throw PVITError(.fineEvalQuestion, "the image \"\(name)\" is not in the folder of the images", file: folder)
        }
        let image = try PixelImage(contentsOf: path)
        last = (name, image)
        return image
    }
}
