import Storage
import SystemPackage

/// A question about an image.
struct FineEvalQuestion: Hashable {
    /// The name of the image in its folder.
    let image: String
    /// The question, which may have regions.
    let instruction: String
}

/// FineEval's questions, in file order.
struct FineEvalQuestions {
    /// A question for each line, or the error in the line.
    let lines: [Result<FineEvalQuestion, any Error>]

    /// Reads a file of JSON lines. Empty lines are skipped.
    ///
    /// - Throws: The errors of reading; `text.encoding` for UTF-16 and UTF-32; `fineeval.question` if there are no
    ///   lines.
    init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        do {
            try TextEncoding.requireUTF8(bytes)
        } catch let error as PVITError { throw error.located(file: path) }
        lines = TextEncoding.withoutMark(bytes).split(separator: UInt8(ascii: "\n")).enumerated().filter { line in
            line.element.contains { ![UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains($0) }
        }.map { line in
            Result {
                do {
                    return try FineEvalQuestion(parsing: line.element)
                } catch let error as PVITError {
                    throw error.located(file: path)
                }
            }
        }
        guard !lines.isEmpty else { throw PVITError(.fineEvalQuestion, "the file has no questions", file: path) }
    }
}

extension FineEvalQuestion {
    /// Parses a line.
    ///
    /// - Throws: `fineeval.question` unless the line is a JSON object with the strings `image` and `instruction`.
    init(parsing line: some Collection<UInt8>) throws {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: Array(line))
        } catch let error as PVITError {
            throw PVITError(.fineEvalQuestion, "the line is not JSON: \(error.what)")
        }
        guard let image = json["image"]?.string, !image.isEmpty, let instruction = json["instruction"]?.string else {
            throw PVITError(.fineEvalQuestion, "the line lacks the strings \"image\" and \"instruction\"")
        }
        self.init(image: image, instruction: instruction)
    }
}

extension PVITError.Code {
    /// A line is not a question about an image in the folder.
    static let fineEvalQuestion = Self("fineeval.question", .badData)
    /// A file of answers contains something else.
    static let fineEvalAnswers = Self("fineeval.answers", .badData)
    /// Some questions could not be answered.
    static let fineEvalUnanswered = Self("fineeval.unanswered", .badData)
}
