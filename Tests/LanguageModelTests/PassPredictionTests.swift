import Compute
import Storage
import Testing

@testable import LanguageModel

@Suite("The expected time of a pass that streams weights")
struct PassPredictionTests {
    private func predict(
        streamed: Int, weights: Int = 4_000_000_000, disk: Double = 2e9, memory: Double = 20e9, decoding: Double = 0,
        threads: Int = 2
    ) throws -> PassPrediction {
        try PassPrediction(
            streamedByteCount: streamed, weightByteCount: weights,
            reading: ReadingSpeed(bytesPerSecond: disk, decodingSecondsPerByte: decoding),
            memoryBytesPerSecond: memory, threadCount: threads)
    }

    @Test("a pass takes as long as the disk needs for the streamed bytes, or memory for all, whichever is slower")
    func slower() throws {
        // 3 GB at 2 GB/s; 4 GB at 20 GB/s take 0.2 s.
        let disk = try predict(streamed: 3_000_000_000)
        #expect(disk.seconds == 1.5 && disk.limit == .disk && abs(disk.tokensPerSecond - 2 / 3.0) < 1e-12)
        let memory = try predict(streamed: 200_000_000)
        #expect(memory.seconds == 0.2 && memory.limit == .memory && memory.tokensPerSecond == 5)
        #expect(try predict(streamed: 0).seconds == 0.2)
    }

    @Test("decoding compressed weights takes the processors that compute")
    func decoding() throws {
        // 0.2 s, and 1 GB that take 1 ns a byte on two threads.
        let prediction = try predict(streamed: 1_000_000_000, decoding: 1e-9)
        #expect(abs(prediction.seconds - 0.7) < 1e-12 && prediction.limit == .memory)
        #expect(try predict(streamed: 1_000_000_000, decoding: 1e-9, threads: 10).limit == .disk)
    }

    @Test("speeds that are none are errors")
    func wrong() throws {
        for wrong in [0, -1, Double.infinity, .nan] {
            for prediction in [{ try predict(streamed: 1, disk: wrong) }, { try predict(streamed: 1, memory: wrong) }] {
                #expect(throws: PVITError.self) { try prediction() }
            }
        }
        #expect(throws: PVITError.self) { try predict(streamed: 1, decoding: -1) }
        #expect(throws: PVITError.self) { try predict(streamed: -1) }
        #expect(throws: PVITError.self) { try predict(streamed: 0, weights: 0) }
        #expect(throws: PVITError.self) { try predict(streamed: 0, threads: 0) }
    }

    @Test("nothing is measured if no weights are streamed")
    func notStreamed() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let kept = MemoryPlan.StreamPlan(
            pinnedRoomByteCount: 1 << 20, pinnedByteCount: 1 << 20, streamedByteCount: 0, chunkByteCount: 1,
            slotCount: 3, windowByteCount: 0)
        for weights in [MemoryPlan.Residency.mapped, .streamed(kept)] {
            #expect(try weights.measureReadingSpeed(of: model.configuration, in: model.container) == nil)
            let prediction = try PassPrediction(
                measuring: weights, of: model.configuration, in: model.container, engine: ComputeEngine(threadCount: 1),
                within: nil)
            #expect(prediction == nil)
        }
    }

    @Test("a sample has streamed weights, compressed or not, unless the file system cannot read past the page cache")
    func sample() throws {
        for model in [try TestModel.synthetic(rowsPerTile: 16), try .synthetic(compression: .zstd(level: 3))] {
            let plan = MemoryPlan.StreamPlan(
                pinnedRoomByteCount: 20_000, pinnedByteCount: 20_000, streamedByteCount: 100_000, chunkByteCount: 1,
                slotCount: 3, windowByteCount: 0)
            let speed = try MemoryPlan.Residency.streamed(plan)
                .measureReadingSpeed(of: model.configuration, in: model.container)
            guard let speed else {
                #expect(try !model.container.reopenedForReading().isDirect)
                continue
            }
            #expect(speed.sampleByteCount > 0 && speed.bytesPerSecond > 0)
            #expect(speed.diskBytesPerSecond >= speed.bytesPerSecond)
        }
    }
}
