import Storage
import SystemPackage
import Tensors

/// Writes the files of a folder one after the other, from chunks that come in order. Not safe for concurrent use.
final class ShardAssembler {
    /// The name and the tensors of each file.
    private let shards: [(name: String, tensors: [TensorDescription])]
    private let workingPath: FilePath
    // Declared before the folder, hence dropped before it: a folder is removed only when it holds no file.
    private var writer: SafetensorsWriter?
    private var folder: OutputFolder?
    /// The number of files that were begun.
    private var begunCount = 0

    init(_ folder: consuming OutputFolder, shards: [(name: String, tensors: [TensorDescription])]) {
        self.shards = shards
        workingPath = folder.workingPath
        self.folder = consume folder
    }

    /// Appends the next bytes, which belong to the file at `index`. Files before it are then complete.
    func append(_ bytes: [UInt8], toShard index: Int) throws {
        while begunCount <= index { try beginNext() }
        try writer?.append(bytes.span.bytes)
    }

    /// Ends the last file.
    func finishShards() throws {
        while begunCount < shards.count { try beginNext() }
        try finishCurrent()
    }

    /// Adds a small file.
    func add(name: String, bytes: [UInt8]) throws { try folder?.add(name: name, bytes: bytes) }

    /// Flushes everything to the disk and gives the folder its name.
    func commit() throws {
        guard let folder = folder.take() else {
            throw PVITError(.internalDefect, "a folder was finished twice")
        }
        try folder.commit()
    }

    private func beginNext() throws {
        try finishCurrent()
        let shard = shards[begunCount]
        writer = try SafetensorsWriter(path: workingPath.appending(fileNamed: shard.name), tensors: shard.tensors)
        begunCount += 1
    }

    private func finishCurrent() throws {
        guard let writer = writer.take() else { return }
        folder?.add(try writer.finish())
    }
}
