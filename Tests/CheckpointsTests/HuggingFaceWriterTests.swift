import Checkpoints
import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Writing Hugging Face folders")
struct HuggingFaceWriterTests {
    private func allBytes(_ source: any TensorSource) throws -> [TensorName: [UInt8]] {
        try Dictionary(
            uniqueKeysWithValues: source.tensors.map {
                ($0.name, try source.bytes(ofRows: 0..<$0.shape.rows, of: $0))
            })
    }

    @Test(
        "a written checkpoint reads back the same, in one file or in many", arguments: [1, 9000, 30_000, 5_000_000_000])
    func roundTrip(shardSize: UInt64) throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("out")
        let checkpoint = try TinyModel().checkpoint()
        try HuggingFaceWriter(shardSize: ByteCount(rawValue: shardSize)).write(checkpoint, to: output)
        let read = try CheckpointSource.open(output)
        #expect(try allBytes(read.weights) == allBytes(checkpoint.weights))
        #expect(read.config == checkpoint.config)
        #expect(read.sideFiles[SideFiles.tokenizerJSON] == checkpoint.sideFiles[SideFiles.tokenizerJSON])
        let largest = read.sourceFiles.map(\.byteCount).max() ?? 0
        let largestTensor = checkpoint.weights.tensors.map(\.byteCount).max() ?? 0
        #expect(largest < max(shardSize, UInt64(largestTensor)) + 8192)
        #expect((read.sourceFiles.count > 1) == (shardSize < 100_000))
        #expect(try folder.entries == ["out"])
    }

    @Test("the same checkpoint gives the same bytes, whatever the number of threads")
    func determinism() throws {
        let folder = try TemporaryFolder()
        for (name, threadCount) in [("one", 1), ("two", 4)] {
            try HuggingFaceWriter(shardSize: ByteCount(30_000)).write(
                TinyModel().checkpoint(), to: folder.path.appending(name), threadCount: threadCount)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path.appending("one").string)
        #expect(names.count > 4)
        for name in names {
            #expect(
                try contents(of: folder.path.appending("one/\(name)"))
                    == contents(of: folder.path.appending("two/\(name)")))
        }
    }

    @Test("the name does not exist before the end, and nothing is left if the work stops anywhere")
    func wholeOrNothing() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("out")
        let checkpoint = try TinyModel().checkpoint()
        let chunks = Counter()
        try HuggingFaceWriter(shardSize: ByteCount(9000)).write(
            checkpoint, to: output,
            monitor: WorkMonitor(
                report: { _, _ in
                    chunks.increment()
                    #expect(!FileManager.default.fileExists(atPath: output.string))
                    // Only a hidden, empty folder would survive a kill here.
                    let hidden = (try? folder.entries) ?? []
                    #expect(hidden.allSatisfy { $0.hasPrefix(".") } && hidden.count == 1)
                }))
        try FileManager.default.removeItem(atPath: output.string)
        #expect(chunks.value >= checkpoint.weights.tensors.count)
        for stop in 0..<chunks.value {
            let seen = Counter()
            let error = try #require(throws: PVITError.self) {
                try HuggingFaceWriter(shardSize: ByteCount(9000)).write(
                    checkpoint, to: output,
                    monitor: WorkMonitor(isCancelled: { seen.increment() > stop }))
            }
            #expect(error.code == .cancelled)
            #expect(try folder.entries.isEmpty)
        }
    }

    @Test("a source that fails leaves nothing and says why, whichever thread read it", arguments: [1, 4])
    func failingSource(threadCount: Int) throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel().checkpoint()
        let failing = AlteredSource(checkpoint.weights) { name, _ in
            if name == "model.norm.weight" { throw PVITError(.readFailed, "gone", tensor: name) }
        }
        let error = try #require(throws: PVITError.self) {
            try HuggingFaceWriter().write(
                checkpoint.with(weights: failing), to: folder.path.appending("out"), threadCount: threadCount)
        }
        #expect(error.code == .readFailed)
        #expect(try folder.entries.isEmpty)
    }

    @Test("a name that is taken is refused and what is there stays; an empty folder is taken over")
    func takenNames() throws {
        let folder = try TemporaryFolder()
        try folder.write("full/file", "kept")
        try folder.write("file", "kept")
        let checkpoint = try TinyModel().checkpoint()
        for name in ["full", "file"] {
            let error = try #require(throws: PVITError.self) {
                try HuggingFaceWriter().write(checkpoint, to: folder.path.appending(name))
            }
            #expect(error.code == .cannotCreate)
        }
        let absent = try #require(throws: PVITError.self) {
            try HuggingFaceWriter().write(checkpoint, to: folder.path.appending("no/such/place"))
        }
        #expect(absent.code == .cannotCreate)
        #expect(try contents(of: folder.path.appending("full/file")) == Array("kept".utf8))
        #expect(try folder.entries == ["file", "full"])
        try FileManager.default.createDirectory(
            atPath: folder.path.appending("empty").string, withIntermediateDirectories: false)
        try HuggingFaceWriter().write(checkpoint, to: folder.path.appending("empty"))
        #expect(try CheckpointSource.open(folder.path.appending("empty")).weights.tensors.count == 21)
    }

    @Test(
        "a full disk is an error and leaves nothing",
        .enabled(if: SmallDisk.isPossible, "mounting a small file system needs root"))
    func fullDisk() throws {
        let disk = try SmallDisk(byteCount: 1 << 20)
        var model = TinyModel()
        model.vocabulary = 20_000
        let output = disk.path.appending("out")
        let checkpoint = try model.checkpoint()
        let early = try #require(throws: PVITError.self) { try HuggingFaceWriter().write(checkpoint, to: output) }
        #expect(early.code == .tooLittleSpace)
        // The check comes first, so what happens while writing is seen on the writer of one file.
        let late = try #require(throws: PVITError.self) { try writeUnchecked(checkpoint.weights, to: output) }
        #expect(late.code == .writeFailed)
        #expect("\(late)".contains("free some space"))
        #expect(try disk.entries.isEmpty)
    }

    private func writeUnchecked(_ source: any TensorSource, to output: FilePath) throws {
        var folder = try OutputFolder(path: output)
        var writer = try SafetensorsWriter(
            path: folder.workingPath.appending("model.safetensors"), tensors: source.tensors)
        for tensor in writer.tensors {
            let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            try writer.append(bytes.span.bytes)
        }
        folder.add(try writer.finish())
        try folder.commit()
    }
}
