import SystemPackage

/// The files that a command reads, so that its output replaces none of them.
///
/// Files are identified by device and inode: links, hard links and other spellings of a name are the same file.
package struct InputFiles {
    private var files: Set<FileIdentity> = []
    private var folders: [(identity: FileIdentity, reads: (String) -> Bool)] = []

    /// No files.
    package init() {}

    /// Adds a file. A missing file is ignored: reading it will fail.
    package mutating func add(file: FilePath) {
        if let status = try? FileStatus(of: file) { files.insert(status.identity) }
    }

    /// Adds a folder.
    ///
    /// - Parameter reads: Whether the command would read a file of this name in the folder.
    package mutating func add(folder: FilePath, reading reads: @escaping (String) -> Bool) {
        if let status = try? FileStatus(of: folder) { folders.append((status.identity, reads)) }
    }

    /// Throws if a file or a folder written at `output` would replace an input.
    ///
    /// - Throws: `file.output-is-input` if the output is an input file, an input folder, or in an input folder under a
    ///   name that is read; `file.cannot-create` as `OutputDestination` does.
    package func requireApart(_ output: FilePath) throws {
        let destination = try OutputDestination(output)
        guard !destination.isStream else { return }
        if let existing = destination.existing {
            guard !files.contains(existing.identity) else { throw conflict("the output is one of the inputs", output) }
            guard !folders.contains(where: { $0.identity == existing.identity }) else {
                throw conflict("the output is the folder of an input", output)
            }
        }
        guard let folder = try? FileStatus(of: destination.path.parentFolder) else { return }
        let name = destination.path.name
        guard !folders.contains(where: { $0.identity == folder.identity && $0.reads(name) }) else {
            throw conflict("the output is in the folder of an input, under a name that is read from it", output)
        }
    }

    private func conflict(_ what: String, _ output: FilePath) -> PVITError {
        PVITError(.outputIsInput, what, file: output, remedy: "choose another name")
    }
}
