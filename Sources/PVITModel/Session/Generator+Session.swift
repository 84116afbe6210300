import LanguageModel
import Storage
import SystemPackage

extension Generator {
    /// Continues where another process stopped: reads the text, the keys and the values of a session file. A prompt
    /// that begins with this text does not compute it again. Answers are those of a new generator, bit for bit.
    ///
    /// - Returns: The number of positions that were read.
    /// - Throws: `session.not-a-session`, `session.version`, `session.damaged`, `session.other-model`, `session.type`;
    ///   `file.not-found`, `file.unreadable`, `file.read-failed`.
    @discardableResult
    package func readSession(_ path: FilePath) throws -> Int {
        forget()
        let session = try SessionFile.open(path, for: model, cache)
        cached = try session.read(into: &cache, for: model)
        return cached.count
    }

    /// The same of a file that need not exist: then there is nothing to read.
    ///
    /// - Throws: As `readSession`, except `file.not-found`.
    package func readSession(ifPresent path: FilePath) throws {
        do { try readSession(path) } catch let error as PVITError where error.code == .fileNotFound {}
    }

    /// Writes the text that the model has read, its keys and its values to a session file, which replaces an earlier
    /// one. The file appears whole or not at all.
    ///
    /// - Returns: The number of positions, and the size of the file.
    /// - Throws: `file.cannot-create`, `file.write-failed`. An earlier file is then untouched.
    @discardableResult
    package func writeSession(_ path: FilePath) throws -> (positionCount: Int, size: ByteCount) {
        (cached.count, try SessionFile.write(cached, cache, of: model, to: path))
    }
}
