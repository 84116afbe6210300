import Checkpoints
import Parallelism
import Storage
import SystemPackage
import Tensors

/// Writes models of the LLaMA family as GGUF files for llama.cpp.
package enum GGUFExport {
    /// A description of the output.
    package struct Report: Sendable {
        /// The size of the file in bytes.
        package let byteCount: UInt64
        /// The number of tensors in the file.
        package let tensorCount: Int
        /// Tensors that a GGUF file cannot hold: PVIT's projections.
        package let leftOut: [TensorName]
        /// The properties of the tokenizer that a GGUF file cannot express, a sentence for each.
        package let tokenizerNotes: [String]
    }

    /// Writes a checkpoint as one GGUF file, version 3, with configuration, tokenizer and conversation template.
    ///
    /// Tensors are read, converted and written in chunks; memory holds a few chunks for each thread, whatever the size
    /// of the model. The same checkpoint and type give the same bytes, whatever the number of threads. The file appears
    /// complete or not at all.
    ///
    /// - Throws: `model.is-delta`; `checkpoint.config`, `model.config`, `checkpoint.tensors` and `model.unsupported`
    ///   for models outside the LLaMA family; `export.tokenizer` for tokenizers that llama.cpp does not support;
    ///   `quantize.*` for numbers that the type cannot hold; `torch.checksum` for damaged archives; `work.cancelled`;
    ///   the errors of reading and writing.
    package static func write(
        _ checkpoint: Checkpoint, to path: FilePath, type: GGUFWeightType, threadCount: Int = 1,
        monitor: WorkMonitor = WorkMonitor()
    ) throws -> Report {
        try CheckpointDiagnosis.requireWeights(checkpoint)
        try DeltaRecognition.requireModel(checkpoint, role: "source")
        let checkpoint = try checkpoint.resolvingOutputLayer()
        let plan = try LlamaGGUFPlan(for: checkpoint, CheckpointDiagnosis.decoder(checkpoint), type: type)
        let metadata = try LlamaGGUFMetadata(of: checkpoint, plan.configuration, type: type)
        var tensors = plan.entries.map(\.written)
        if let factors = metadata.rotaryFactors { tensors.insert(factors.tensor, at: 0) }
        try DiskSpace.require(UInt64(GGUFWriter.dataByteCount(tensors)) + 64 << 20, for: path)
        let output = Output(try GGUFWriter(path: path, metadata: metadata.pairs, tensors: tensors))
        if let factors = metadata.rotaryFactors { try output.append(factors.bytes) }
        let total = plan.entries.reduce(0) { $0 + UInt64($1.source.byteCount) }
        var done: UInt64 = 0
        try SourceVerifier.checking(checkpoint.sourceFiles, byteCount: total) { advance in
            try convert(checkpoint.weights, plan, threadCount: threadCount) { chunk in
                try monitor.checkCancellation()
                try output.append(chunk.bytes)
                done += UInt64(chunk.sourceByteCount)
                try advance(done)
                monitor.report(done, total)
            }
        }
        return Report(
            byteCount: try output.finish(), tensorCount: tensors.count, leftOut: plan.leftOut,
            tokenizerNotes: metadata.tokenizerNotes)
    }

    /// Some rows of a tensor in the form of the file.
    private struct Chunk: Sendable {
        let bytes: [UInt8]
        let sourceByteCount: Int
    }

    private static func convert(
        _ source: any TensorSource, _ plan: LlamaGGUFPlan, threadCount: Int,
        consume: @escaping (Chunk) throws -> Void
    ) throws {
        let chunks = plan.entries.flatMap { entry in entry.chunks.map { (entry: entry, rows: $0) } }
        try ThreadPool(threadCount: threadCount).mapInOrder(chunks.count) { number, _ in
            try chunk(chunks[number].rows, of: chunks[number].entry, source)
        } consume: {
            try consume($0)
        }
    }

    /// Reads and converts some rows of a tensor.
    private static func chunk(
        _ rows: Range<Int>, of entry: LlamaGGUFPlan.Entry, _ source: any TensorSource
    ) throws -> Chunk {
        let tensor = entry.source
        do {
            var bytes = try source.bytes(ofRows: rows, of: tensor)
            if let order = entry.order { bytes = reordered(bytes, rows: rows, bytesPerRow: tensor.bytesPerRow, order) }
            let written = try FloatConversion.convert(bytes, from: tensor.elementType, to: entry.written.type)
            return Chunk(bytes: written, sourceByteCount: bytes.count)
        } catch let error as PVITError {
            throw error.located(tensor: tensor.name)
        }
    }

    /// Rows of whole heads in the order of GGUF files.
    private static func reordered(
        _ bytes: [UInt8], rows: Range<Int>, bytesPerRow: Int, _ order: RotaryRowOrder
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for row in rows {
            let start = (order.halvesRow(of: row) - rows.lowerBound) * bytesPerRow
            result += bytes[start..<start + bytesPerRow]
        }
        return result
    }
}

/// The output file. Not safe for concurrent use.
private final class Output {
    private var writer: GGUFWriter?

    init(_ writer: consuming GGUFWriter) { self.writer = consume writer }

    func append(_ bytes: [UInt8]) throws { try writer?.append(bytes) }

    func finish() throws -> UInt64 {
        guard let writer = writer.take() else { throw PVITError(.internalDefect, "a file was finished twice") }
        return try writer.finish()
    }
}
