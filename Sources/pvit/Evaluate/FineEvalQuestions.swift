import Storage
import SystemPackage

/// A question about an image.
struct FineEvalQuestion: Hashable {
    /// The name of the image in its folder.
    let image: String
    /// The question, with regions.
    let instruction: String
}

/// FineEval's questions, in their order.
struct FineEvalQuestions {
    /// What each line is: a question, or what is wrong with it.
    let lines: [Result<FineEvalQuestion, any Error>]

    /// Reads a file of JSON lines. Empty lines are passed over.
    ///
    /// - Throws: The errors of reading; `text.encoding` for UTF-16 and UTF-32; `fineeval.question` when there is no
    ///   line at all.
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
    /// Reads a line.
    ///
    /// - Throws: `fineeval.question` for a line that is no JSON object with the texts `image` and `instruction`.
    init(parsing line: some Collection<UInt8>) throws {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: Array(line))
        } catch let error as PVITError {
            throw PVITError(.fineEvalQuestion, "the line is no JSON: \(error.what)")
        }
        guard let image = json["image"]?.string, !image.isEmpty, let instruction = json["instruction"]?.string else {
            throw PVITError(.fineEvalQuestion, "the line has no texts \"image\" and \"instruction\"")
        }
        self.init(image: image, instruction: instruction)
    }
}

extension PVITError.Code {
    /// A line is not a question about an image of the folder.
    static let fineEvalQuestion = Self("fineeval.question", .badData)
    /// A file of answers has something else in it.
    static let fineEvalAnswers = Self("fineeval.answers", .badData)
    /// Some questions were not answered.
    static let fineEvalUnanswered = Self("fineeval.unanswered", .badData)
}
