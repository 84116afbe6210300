import PVITModel
import Storage
import SystemPackage

/// The session file of one answer: read before its prompt, and written when the answer has ended.
struct AnswerSession {
    private let path: FilePath
    private var isRead = false
    private var written: Result<Void, any Error>?

    /// Checks that the file can be written and is none of the model's.
    ///
    /// - Throws: `file.output-is-input`, `file.cannot-create`.
    init(_ path: FilePath, apartFrom inputs: [FilePath]) throws {
        try SessionFile.requireOutput(path, apartFrom: inputs)
        self.path = path
    }

    /// Gives a generator what the file has, once. A file that does not exist has nothing.
    ///
    /// - Throws: The errors of reading it, except that it does not exist.
    mutating func read(into generator: Generator) throws {
        guard !isRead else { return }
        try generator.readSession(ifPresent: path)
        isRead = true
    }

    /// Writes what a generator has read, before another answer replaces it. The text of the answer goes to the caller
    /// first, so `check` throws what goes wrong.
    mutating func write(_ generator: Generator) { written = Result { try generator.writeSession(path) } }

    /// - Throws: The error of writing, once.
    mutating func check() throws {
        defer { written = nil }
        try written?.get()
    }
}
