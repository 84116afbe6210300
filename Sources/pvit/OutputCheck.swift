import Checkpoints
import Storage
import SystemPackage

extension FilePath {
    /// Throws unless this may be written by a command that reads these files. Asked before any work.
    ///
    /// - Parameters:
    ///   - checkpoints: Models in files or folders; nil where an option is not given.
    ///   - files: Other files.
    /// - Throws: `file.output-is-input`, or `file.cannot-create` for what no output can be.
    func requireApart(fromCheckpoints checkpoints: FilePath?..., files: [FilePath?] = []) throws {
        var inputs = InputFiles()
        for case let path? in checkpoints { inputs.add(checkpoint: path) }
        for case let path? in files { inputs.add(file: path) }
        try inputs.requireApart(self)
    }
}
