import Storage
import SystemPackage

/// A file of answers to FineEval's questions, as JSON lines. Each answer is written at once, so an interrupted run can
/// be resumed.
struct AnswerFile: ~Copyable {
    /// The number of answers in the file at the start.
    let count: Int
    private let path: FilePath
    /// The open file; nil until it is opened for writing.
    private var descriptor: FileDescriptor?
    /// The lines that were in the file at the start, by question. Lines of equal questions are in file order.
    private var existing: [FineEvalQuestion: [[UInt8]]]
    /// The same lines in file order.
    private let linesBefore: [[UInt8]]
    private var linesAdded: [[UInt8]] = []
    /// The lines by question number.
    private var byNumber: [Int: [UInt8]] = [:]

    /// Reads the answers in a file. Nothing is changed or created before `open`.
    ///
    /// A run that was killed may leave an incomplete last line.
    ///
    /// - Throws: `fineeval.answers` if a line is not an answer to one of the questions, or an incomplete last line is
    ///   not the beginning of one; `file.*`.
    init(path: FilePath, questions: FineEvalQuestions) throws {
        guard try !OutputDestination(path).isStream else {
            throw PVITError(
                .cannotCreate, "this is a device or a pipe, but resuming a run reads the answers again",
                file: path, remedy: "give a file")
        }
        // Check before the model is loaded that the file can be replaced by one in order at the end.
        _ = try OutputFile(path: path)
        let lines = try Self.answers(in: path, questions)
        self.path = path
        existing = Dictionary(grouping: lines, by: \.question).mapValues { $0.map(\.line) }
        linesBefore = lines.map(\.line)
        count = lines.count
    }

    /// The complete lines of a file; empty if there is no file.
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
            guard let answer = answer(line) else { throw foreign(number, "is not an answer", path) }
            return answer
        }
        if !last.isEmpty {
            if let answer = answer(last) {
                answers.append(answer)
            } else if !asked.contains(where: { AnswerLine.isBeginning(last, ofAnswerTo: $0) }) {
                throw foreign(lines.count, "is incomplete, and not the beginning of an answer", path)
            }
        }
        return answers
    }

    private static func foreign(_ number: Int, _ problem: String, _ path: FilePath) -> PVITError {
        PVITError(
            .fineEvalAnswers, "line \(number + 1) \(problem) to one of the questions; nothing was changed", file: path,
            remedy: "give another --output, or the --questions that the file belongs to")
    }

    /// Opens or creates the file and drops an incomplete last line. Further calls do nothing.
    ///
    /// - Throws: `file.cannot-create`.
    @discardableResult
    mutating func open() throws -> FileDescriptor {
        if let descriptor { return descriptor }
        do {
            let descriptor = try FileDescriptor.open(
                path, .readWrite, options: [.create, .closeOnExec], permissions: FilePermissions(rawValue: 0o666))
            self.descriptor = descriptor
            // Drop an incomplete last line. If it lacks only the line feed, append that.
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

    /// Takes the answer to a question out of those that were in the file at the start. False if there is none left.
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

    /// Sorts the answers into the order of the questions if necessary. They get out of order because several are
    /// generated at a time, and because questions that failed are tried again later.
    ///
    /// - Throws: `file.*`.
    consuming func finish() throws {
        try open()
        let ordered = byNumber.sorted { $0.key < $1.key }.map(\.value)
        guard ordered != linesBefore + linesAdded else { return }
        // Keep answers to repeated questions that are no longer repeated.
        let left = existing.values.flatMap(\.self).sorted { $0.lexicographicallyPrecedes($1) }
        var file = try OutputFile(path: path)
        for line in ordered + left { try file.append(line + [UInt8(ascii: "\n")]) }
        try file.commit()
    }
}
