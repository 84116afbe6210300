import ArgumentParser
import Container
import Storage
import SystemPackage

/// `pvit verify`: checks every byte of a container.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check every byte of a .pvq file.",
        discussion: """
            This checks the structure, the checksum of every tile, the padding, and the digests of every tensor and of \
            the model.

            Example:
              pvit verify pvit.pvq
            """)

    @Argument(help: "The .pvq file.")
    var file: FilePath

    @OptionGroup var display: OutputOptions

    func run() throws {
        Interruption.watch()
        let container = try withContainer(at: file) { try Container(opening: file, allowsPackedDelta: true) }
        let line = ProgressLine("verifying", quiet: display.quiet)
        defer { line.finish() }
        let digest = try container.verify { progress in
            line.update(done: progress.checkedByteCount, total: progress.byteCount)
        }
        line.finish()
        try StandardOutput.write("\(file.readable): intact, \(container.tensorCount) tensors, model digest \(digest)\n")
    }
}
