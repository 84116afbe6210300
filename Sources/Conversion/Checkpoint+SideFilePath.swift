import Checkpoints
import Storage
import SystemPackage

extension Checkpoint {
    /// The path of a side file; the checkpoint itself if its content is made from metadata of the weights.
    func path(ofSideFile name: String) -> FilePath {
        let folder = isFolder(path) ? path : path.removingLastComponent()
        let candidate = folder.isEmpty ? FilePath(name) : folder.appending(name)
        guard let content = sideFiles[name], let file = try? MappedFile(path: candidate),
            let bytes = try? file.withBytes(0..<file.byteCount, { try $0.copyBytes(0..<$0.byteCount) }),
            bytes == content
        else { return path }
        return candidate
    }
}
