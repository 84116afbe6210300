import Storage
import SystemPackage

extension FilePath {
    /// Checks that a command that reads these inputs may write to this path. Called before any work.
    ///
    /// - Parameters:
    ///   - checkpoints: The input models, files or folders. nil for an option that is not given.
    ///   - files: Other input files.
    /// - Throws: `file.output-is-input`; `file.cannot-create` if the path cannot be an output.
    package func requireApart(fromCheckpoints checkpoints: FilePath?..., files: [FilePath?] = []) throws {
        var inputs = InputFiles()
        for case let path? in checkpoints { inputs.add(checkpoint: path) }
        for case let path? in files { inputs.add(file: path) }
        try inputs.requireApart(self)
    }
}
