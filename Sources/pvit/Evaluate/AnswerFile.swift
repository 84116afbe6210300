import SystemPackage
import Tensors

/// Answers to FineEval's questions as JSON lines, written as they are made, so that a run that was stopped can go on.
struct AnswerFile: ~Copyable {
    /// How many answers there were before.
    let count: Int
    private let path: FilePath
    private let descriptor: FileDescriptor
    /// The lines of answers that were there before, by question; of equal questions in their order.
    private var existing: [FineEvalQuestion: [[UInt8]]]
    /// The lines in the order of the file.
    private let linesBefore: [[UInt8]]
    private var linesAdded: [[UInt8]] = []
    /// The lines by the numbers of the questions.
    private var byNumber: [Int: [UInt8]] = [:]

    /// Opens a file or starts a new one. A last line without its end, which a run left that was killed, is dropped.
    ///
    /// - Throws: `fineeval.answers` when a line is no answer to one of the questions; `file.*`.
    init(path: FilePath, questions: FineEvalQuestions) throws {
        let lines = try Self.answers(in: path, questions)
        let byteCount = lines.reduce(0) { $0 + $1.line.count + 1 }
        descriptor = try Self.open(path, keeping: byteCount)
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
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        _ = lines.popLast()
        return try lines.enumerated().map { number, line in
            guard let question = try? FineEvalQuestion(parsing: line), asked.contains(question),
                try JSONValue(parsing: Array(line))["output"]?.string != nil
            else {
                throw PVITError(
                    .fineEvalAnswers, "line \(number + 1) is no answer to one of the questions", file: path,
                    remedy: "give another --output, or the questions that the file belongs to")
            }
            return (question, Array(line))
        }
    }

    private static func open(_ path: FilePath, keeping byteCount: Int) throws -> FileDescriptor {
        if isFolder(path) {
            throw PVITError(.cannotCreate, "a folder has this name already", file: path, remedy: "choose another name")
        }
        do {
            let descriptor = try FileDescriptor.open(
                path, .readWrite, options: [.create, .closeOnExec], permissions: FilePermissions(rawValue: 0o666))
            try descriptor.closeAfterFailure {
                try descriptor.resize(to: Int64(byteCount))
                try descriptor.seek(offset: 0, from: .end)
            }
            return descriptor
        } catch let error as Errno {
            throw PVITError(.cannotCreate, "the file cannot be opened or created: \(error)", file: path)
        }
    }

    deinit { try? descriptor.close() }

    /// Whether a question was answered before; each answer counts once.
    mutating func takeExisting(_ question: FineEvalQuestion, number: Int) -> Bool {
        guard var lines = existing[question], !lines.isEmpty else { return false }
        byNumber[number] = lines.removeFirst()
        existing[question] = lines
        return true
    }

    /// Writes an answer.
    ///
    /// - Throws: `file.write-failed`.
    mutating func append(_ answer: String, to question: FineEvalQuestion, number: Int) throws {
        let json: JSONValue = [
            "image": .string(question.image), "instruction": .string(question.instruction), "output": .string(answer),
        ]
        let line = json.encoded()
        do {
            try descriptor.writeAll(line + [UInt8(ascii: "\n")])
        } catch let error as Errno {
            throw PVITError(.writeFailed, "writing failed: \(error)", file: path)
        }
        byNumber[number] = line
        linesAdded.append(line)
    }

    /// Puts the answers into the order of the questions, if they are not: several are made at a time, and those that failed
    /// before come last in the file.
    ///
    /// - Throws: `file.*`.
    consuming func finish() throws {
        let ordered = byNumber.sorted { $0.key < $1.key }.map(\.value)
        guard ordered != linesBefore + linesAdded else { return }
        // Answers to questions that were asked twice and are now asked once stay.
        let left = existing.values.flatMap(\.self).sorted { $0.lexicographicallyPrecedes($1) }
        var file = try OutputFile(path: path)
        for line in ordered + left { try file.append(line + [UInt8(ascii: "\n")]) }
        try file.commit()
    }
}

extension FileDescriptor {
    /// Does something, and closes the file when it fails.
    fileprivate func closeAfterFailure(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            try? close()
            throw error
        }
    }
}
