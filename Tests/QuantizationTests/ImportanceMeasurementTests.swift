import Architectures
import CheckpointTestSupport
import CKernels
import Foundation
import Storage
import Platform
import Synchronization
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Quantization

extension SmallModel {
    fileprivate func measurement(_ isa: pvit_isa? = nil) throws -> ImportanceMeasurement {
        guard let isa else { return try ImportanceMeasurement(Self.configuration, reader: reader) }
        return try ImportanceMeasurement(
            Self.configuration, reader: reader, kernels: #require(pvit_kernels_for(isa)))
    }

    /// Gives some rows of a matrix to a measurement.
    @discardableResult
    fileprivate func observe(_ index: Int, _ rows: Range<Int>, _ measurement: ImportanceMeasurement) throws -> [Float]?
    {
        let matrix = matrices[index]
        let columns = matrix.elements.count / matrix.rows
        let weights = Array(matrix.elements[rows.lowerBound * columns..<rows.upperBound * columns])
        return try measurement.observe(rows, of: matrix.name, weights: weights.span)
    }

    /// The importance of every matrix when whole matrices are given in order.
    fileprivate func importance(_ measurement: ImportanceMeasurement) throws -> [[Float]] {
        try matrices.indices.map { try #require(try observe($0, 0..<matrices[$0].rows, measurement)) }
    }
}

@Suite("Measuring importance")
struct ImportanceMeasurementTests {
    @Test("the importance is that of a forward pass written in numpy", .needsPython)
    func numpy() throws {
        let model = SmallModel(seed: 21)
        let folder = try TemporaryFolder()
        let text = try Python.run(
            SmallModel.numpyForwardPass + """
                state, ids, mask = 0, [], 2 ** 64 - 1
                for _ in range(64):
                    state = (state + 0x9E3779B97F4A7C15) & mask
                    z = state
                    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
                    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
                    ids.append((z ^ z >> 31) % 50)
                def show(name, x):
                    print(*(np.mean(x.reshape(64, -1) ** 2, 0) ** (0.5 if name == "d" else 1)))
                logits(read(sys.argv[1]), ids, show)
                """, model.write(to: folder).string)
        let expected = printedNumbers(text)
        let importance = try model.importance(model.measurement())
        #expect(importance.count == expected.count)
        for (ours, theirs) in zip(importance, expected) {
            #expect(ours.count == theirs.count)
            for (a, b) in zip(ours, theirs) { #expect(abs(Double(a) - b) <= 1e-4 * b) }
        }
    }

    @Test("instruction sets, the order of tiles and threads make no difference")
    func determinism() throws {
        let model = SmallModel(seed: 22)
        let expected = try model.importance(model.measurement(PVIT_ISA_SCALAR))
        for isa in [PVIT_ISA_AVX2, PVIT_ISA_AVX_VNNI, PVIT_ISA_AVX512_VNNI] where pvit_kernels_for(isa) != nil {
            #expect(try model.importance(model.measurement(isa)) == expected)
        }
        // Threads claim tiles of eight rows, the matrices of a stage backwards, and wait for the stages before.
        let stages = [[2, 1, 0], [3], [5, 4], [6], [9, 8, 7], [10], [12, 11], [13]]
        let tiles = stages.joined().flatMap { matrix in
            stride(from: 0, to: model.matrices[matrix].rows, by: 8).reversed().map { (matrix, $0..<$0 + 8) }
        }
        let measurement = try model.measurement()
        let next = Atomic(0)
        let found = Lock<[Int: [Float]]>([:])
        let failures = Lock<[any Error]>([])
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            while true {
                let number = next.add(1, ordering: .relaxed).oldValue
                guard number < tiles.count else { return }
                do {
                    let importance = try model.observe(tiles[number].0, tiles[number].1, measurement)
                    found.withLock { $0[tiles[number].0] = importance }
                } catch {
                    failures.withLock { $0.append(error) }
                    return measurement.abandon()
                }
            }
        }
        #expect(failures.withLock { $0.isEmpty })
        #expect(found.withLock { found in expected.indices.map { found[$0] } } == expected)
    }

    @Test("tensors that are not matrices of a layer have no importance")
    func otherTensors() throws {
        let measurement = try SmallModel(seed: 23).measurement()
        let weights = [Float](repeating: 1, count: 32)
        for name in [
            "model.norm.weight", "lm_head.weight", "model.layers.0.input_layernorm.weight", "model.layers.x.mlp",
        ] {
            #expect(try measurement.observe(0..<1, of: TensorName(name), weights: weights.span) == nil)
        }
    }

    @Test("weights that come twice, do not fit or belong to no layer are errors")
    func refusals() throws {
        let model = SmallModel(seed: 24)
        let weights = [Float](repeating: 1, count: 64)
        for (layer, rows) in [(0, 0..<1), (0, 63..<65), (0, -2..<0), (7, 0..<2)] {
            let measurement = try model.measurement()
            let name = TensorName("model.layers.\(layer).self_attn.q_proj.weight")
            #expect(throws: PVITError.self) { try measurement.observe(rows, of: name, weights: weights.span) }
        }
        let measurement = try model.measurement()
        try model.observe(0, 0..<16, measurement)
        #expect(throws: PVITError.self) { try model.observe(0, 8..<24, measurement) }
        var json = SmallModel.json
        json["hidden_size"] = 40
        let odd = try LlamaConfiguration(parsing: json)
        #expect(throws: PVITError.self) { try ImportanceMeasurement(odd, reader: model.reader) }
    }

    @Test("both spellings of the rotary base and of its scaling give the same importance, another base another one")
    func rotarySpelling() throws {
        let model = SmallModel(seed: 26)
        func importance(_ changes: JSONObject) throws -> [[Float]] {
            var json = SmallModel.json
            for change in changes.members { json[change.key] = change.value }
            return try model.importance(
                ImportanceMeasurement(LlamaConfiguration(parsing: json), reader: model.reader))
        }
        let newer = try importance(["rope_parameters": ["rope_theta": 500], "rope_theta": 10_000])
        #expect(try newer == importance([:]))
        #expect(try newer != importance(["rope_theta": 10_000]))
        let linear = try importance(["rope_scaling": ["type": "linear", "factor": 4]])
        #expect(try linear == importance(["rope_parameters": ["rope_type": "linear", "factor": 4, "rope_theta": 500]]))
        #expect(linear != newer)
    }

    @Test("waiting for matrices that will not come ends when the work is abandoned")
    func abandonment() async throws {
        let model = SmallModel(seed: 25)
        let measurement = try model.measurement()
        async let waiting: Bool = {
            do { return try model.observe(13, 0..<8, measurement) == nil } catch {
                return (error as? PVITError)?.code == .quantizationAbandoned
            }
        }()
        try await Task.sleep(for: .milliseconds(20))
        measurement.abandon()
        #expect(await waiting)
        #expect(throws: PVITError.self) { try model.observe(0, 0..<8, measurement) }
    }
}
