import SystemPackage

/// The files that a command reads, so that its output takes the place of none of them.
///
/// A file is told by device and inode: links, hard links and other spellings of its name are the same file.
public struct InputFiles {
    private var files: Set<FileIdentity> = []
    private var folders: [(identity: FileIdentity, reads: (String) -> Bool)] = []

    /// No files.
    public init() {}

    /// Adds a file. One that does not exist is left out: reading it will fail.
    public mutating func add(file: FilePath) {
        if let status = try? FileStatus(of: file) { files.insert(status.identity) }
    }

    /// Adds a folder.
    ///
    /// - Parameter reads: Whether a file of this name would be read, were it there.
    public mutating func add(folder: FilePath, reading reads: @escaping (String) -> Bool) {
        if let status = try? FileStatus(of: folder) { folders.append((status.identity, reads)) }
    }

    /// Throws unless a file or a folder may be written at `output`.
    ///
    /// - Throws: `file.output-is-input` when it is one of the inputs, an input folder, or in one, under a name that is
    ///   read; `file.cannot-create` for what `OutputPlace` refuses.
    public func requireApart(_ output: FilePath) throws {
        let place = try OutputPlace(output)
        guard !place.isStream else { return }
        if let existing = place.existing {
            guard !files.contains(existing.identity) else { throw conflict("the output is one of the inputs", output) }
            guard !folders.contains(where: { $0.identity == existing.identity }) else {
                throw conflict("the output is the folder of an input", output)
            }
        }
        guard let folder = try? FileStatus(of: place.path.parentFolder) else { return }
        let name = place.path.name
        guard !folders.contains(where: { $0.identity == folder.identity && $0.reads(name) }) else {
            throw conflict("the output is in the folder of an input, under a name that is read from there", output)
        }
    }

    private func conflict(_ what: String, _ output: FilePath) -> PVITError {
        PVITError(.outputIsInput, what, file: output, remedy: "choose another name")
    }
}
