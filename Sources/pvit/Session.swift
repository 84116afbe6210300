import PVITModel
import Storage
import SystemPackage

/// The file of `--session`.
struct Session {
    let path: FilePath

    /// What writing the file has told.
    struct Summary {
        let positionCount: Int
        let size: ByteCount
    }

    /// Checks before any work that the file can be written and that it is none of the inputs.
    ///
    /// - Throws: `file.output-is-input`, `file.cannot-create`.
    init(path: FilePath, model: FilePath, files: [FilePath?]) throws {
        try SessionFile.requireOutput(path, apartFrom: [model] + files.compactMap(\.self))
        self.path = path
    }

    /// Gives a generator what the file has. A file that does not exist has nothing.
    ///
    /// - Throws: The errors of reading it, except that it does not exist.
    func read(into generator: Generator) throws {
        try generator.readSession(ifPresent: path)
    }

    /// Writes what a generator has read.
    ///
    /// - Throws: The errors of writing the file.
    func write(_ generator: Generator) throws -> Summary {
        let (positionCount, size) = try generator.writeSession(path)
        return Summary(positionCount: positionCount, size: size)
    }

    /// What a note says after an answer.
    func note(_ result: GenerationResult, _ summary: Summary) -> String {
        "\(result.reusedTokenCount) of \(result.promptTokenCount) prompt tokens were known from the session; "
            + "\(path.readable) now has \(summary.positionCount) tokens in \(summary.size)"
    }
}
