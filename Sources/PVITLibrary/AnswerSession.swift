import Checkpoints
import PVITModel
import Storage
import SystemPackage

/// The session file of one answer: read before its prompt, and written when the answer has ended.
struct AnswerSession {
    private let path: FilePath
    private var isRead = false
    private var written: Result<Void, any Error>?

    /// Checks that the file can be written and is not the model.
    ///
    /// - Throws: `file.output-is-input`, `file.cannot-create`.
    init(_ path: FilePath, for model: LoadedModel) throws {
        try path.requireApart(fromCheckpoints: model.container.path)
        guard try !OutputDestination(path).isStream else {
            throw PVITError(
                .cannotCreate, "a session needs a regular file, and this is a device or a pipe", file: path,
                remedy: "choose another name")
        }
        // Dropped without a commit, so that nothing appears under the name.
        _ = try OutputFile(path: path)
        self.path = path
    }

    /// Gives a generator what the file has, once. A file that does not exist has nothing.
    ///
    /// - Throws: The errors of reading it, except that it does not exist.
    mutating func read(into generator: Generator) throws {
        guard !isRead else { return }
        do { try generator.readSession(path) } catch let error as PVITError where error.code == .fileNotFound {}
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
