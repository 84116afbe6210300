import Checkpoints
import Storage
import SystemPackage

/// Writes a model for other programs, as the command line and the C library ask for it.
package struct ExportJob: Sendable {
    /// The model.
    package var source: FilePath
    /// The `.gguf` file, or the folder, to write.
    package var output: FilePath
    /// The type of the weights; nil for the source's own types in a folder, and f16 in a GGUF file.
    package var type: GGUFWeightType?
    /// The maximum size of a safetensors file in a folder.
    package var shardSize: ByteCount
    /// The number of threads.
    package var threadCount: Int

    /// Creates a job.
    package init(
        source: FilePath, output: FilePath, type: GGUFWeightType? = nil,
        shardSize: ByteCount = FolderJob.defaultShardSize,
        threadCount: Int
    ) {
        self.source = source
        self.output = output
        self.type = type
        self.shardSize = shardSize
        self.threadCount = threadCount
    }

    /// Whether a GGUF file is written.
    package var isGGUF: Bool { output.extension == "gguf" }

    /// What is wrong with the type, if anything.
    package var typeProblem: String? {
        guard !isGGUF, let type, type.elementType == nil else { return nil }
        return "\(type.rawValue) is for GGUF files: give an output whose name ends in .gguf"
    }

    /// Checks the inputs, then writes the output.
    ///
    /// - Parameters:
    ///   - note: Receives what a user should know, a line at a time.
    ///   - work: Calls its argument, which does the work, with a monitor.
    /// - Throws: `file.output-is-input`, and what opening the source, `HuggingFaceWriter` and `GGUFExport` throw.
    package func run(note: (String) -> Void, _ work: ((WorkMonitor) throws -> Void) throws -> Void) throws {
        try output.requireApart(fromCheckpoints: source)
        let model = try ModelSource.open(source)
        if let line = try Tower.leftOutNote(ofContainer: source) { note(line) }
        guard isGGUF else {
            let resolved = try model.resolvingOutputLayer()
            let converted = try type?.elementType.map { try resolved.converted(to: $0) } ?? resolved
            return try FolderJob(output: output, shardSize: shardSize, threadCount: threadCount)
                .write(converted, note: note, work)
        }
        var report: GGUFExport.Report?
        try work { monitor in
            report = try GGUFExport.write(
                model, to: output, type: type ?? .f16, threadCount: threadCount, monitor: monitor)
        }
        guard let report else { return }
        if !report.leftOut.isEmpty { note("left out: \(report.leftOut.map(\.rawValue).listed())") }
        for line in report.tokenizerNotes { note("left out: \(line)") }
        note("wrote \(output.readable): \(report.tensorCount) tensors, \(ByteCount(report.byteCount))")
    }
}
