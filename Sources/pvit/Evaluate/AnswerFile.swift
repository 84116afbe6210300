import Storage
import SystemPackage

/// Answers to FineEval's questions as JSON lines, written as they are made, so that a run that was stopped can go on.
struct AnswerFile: ~Copyable {
    /// How many answers there were before.
    let count: Int
    private let path: FilePath
    /// nil until the file is opened for writing.
    private var descriptor: FileDescriptor?
    /// The lines of answers that were there before, by question; of equal questions in their order.
    private var existing: [FineEvalQuestion: [[UInt8]]]
    /// The lines in the order of the file.
    private let linesBefore: [[UInt8]]
    private var linesAdded: [[UInt8]] = []
    /// The lines by the numbers of the questions.
    private var byNumber: [Int: [UInt8]] = [:]

    /// Reads the answers that a file has. Nothing is changed or created before `open`.
    ///
    /// - Throws: `fineeval.answers` when a line is no answer to one of the questions, or a last line without its end is
    ///   not the beginning of one, which a run left that was killed; `file.*`.
    init(path: FilePath, questions: FineEvalQuestions) throws {
        guard try !OutputPlace(path).isStream else {
            throw PVITError(
                .cannotCreate, "this is a device or a pipe, but the answers are read again when a run goes on",
                file: path, remedy: "name a file")
        }
        // Known before the model is loaded: whether answers can be put in order in the end.
        _ = try OutputFile(path: path)
        let lines = try Self.answers(in: path, questions)
        self.path = path
        existing = Dictionary(grouping: lines, by: \.question).mapValues { $0.map(\.line) }
        linesBefore = lines.map(\.line)
        count = lines.count
    }

    /// The whole lines of a file; none when there is no file.
    private static func answers(
        in path: FilePath, _ questions: FineEvalQuestions
    ) throws -> [(question: FineEvalQuestion, line: [UInt8])] {
        let bytes: [UInt8]
        do {
            let file = try MappedFile(path: path)
            bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        } catch let error as PVITError where error.code == .fileNotFound {
            return []
        }
        let asked = Set(questions.lines.compactMap { try? $0.get() })
        func answer(_ line: ArraySlice<UInt8>) -> (question: FineEvalQuestion, line: [UInt8])? {
            guard let question = try? FineEvalQuestion(parsing: line), asked.contains(question),
                (try? JSONValue(parsing: Array(line)))?["output"]?.string != nil
            else { return nil }
            return (question, Array(line))
        }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let last = lines.popLast() ?? []
        var answers = try lines.enumerated().map { number, line in
            guard let answer = answer(line) else { throw foreign(number, "is no answer", path) }
            return answer
        }
        if !last.isEmpty {
            if let answer = answer(last) {
                answers.append(answer)
            } else if !asked.contains(where: { AnswerLine.isBeginning(last, ofAnswerTo: $0) }) {
                throw foreign(lines.count, "has no end and is not the beginning of an answer", path)
            }
        }
        return answers
    }

    private static func foreign(_ number: Int, _ what: String, _ path: FilePath) -> PVITError {
        PVITError(
            .fineEvalAnswers, "line \(number + 1) \(what) to one of the questions; nothing was changed", file: path,
            remedy: "give another --output, or the questions that the file belongs to")
    }

    /// Opens the file behind its whole lines, or creates it; further calls do nothing.
    ///
    /// - Throws: `file.cannot-create`.
    @discardableResult
    mutating func open() throws -> FileDescriptor {
        if let descriptor { return descriptor }
        do {
            let descriptor = try FileDescriptor.open(
                path, .readWrite, options: [.create, .closeOnExec], permissions: FilePermissions(rawValue: 0o666))
            self.descriptor = descriptor
            // A last line without its end goes; one that only lacks the line feed gets it.
            let whole = linesBefore.reduce(0) { $0 + $1.count + 1 }
            let size = try descriptor.seek(offset: 0, from: .end)
            try descriptor.resize(to: min(Int64(whole), size))
            try descriptor.seek(offset: 0, from: .end)
            if size == whole - 1 { try descriptor.writeAll([UInt8(ascii: "\n")]) }
            return descriptor
        } catch let error as Errno {
            throw PVITError(.cannotCreate, "the file cannot be opened or created: \(error)", file: path)
        }
    }

    deinit { try? descriptor?.close() }

    /// Whether a question was answered before; each answer counts once.
    mutating func takeExisting(_ question: FineEvalQuestion, number: Int) -> Bool {
        guard var lines = existing[question], !lines.isEmpty else { return false }
        byNumber[number] = lines.removeFirst()
        existing[question] = lines
        return true
    }

    /// Writes an answer.
    ///
    /// - Throws: `file.write-failed`, `file.cannot-create`.
    mutating func append(_ answer: String, to question: FineEvalQuestion, number: Int) throws {
        let line = AnswerLine.line(answer, to: question)
        let descriptor = try open()
        do {
            try descriptor.writeAll(line + [UInt8(ascii: "\n")])
        } catch let error as Errno {
            throw PVITError(.writeFailed, "writing failed: \(error)", file: path)
        }
        byNumber[number] = line
        linesAdded.append(line)
    }

    /// Puts the answers into the order of the questions, if they are not: several are made at a time, and those that
    /// failed before come last in the file.
    ///
    /// - Throws: `file.*`.
    consuming func finish() throws {
        try open()
        let ordered = byNumber.sorted { $0.key < $1.key }.map(\.value)
        guard ordered != linesBefore + linesAdded else { return }
        // Answers to questions that were asked twice and are now asked once stay.
        let left = existing.values.flatMap(\.self).sorted { $0.lexicographicallyPrecedes($1) }
        var file = try OutputFile(path: path)
        for line in ordered + left { try file.append(line + [UInt8(ascii: "\n")]) }
        try file.commit()
    }
}
