import CheckpointTestSupport
import Container
import Quantization
import Storage
import Tensors
import TestSupport
import Testing

@testable import Conversion

@Suite("Samples of weights")
struct WeightSampleTests {
    @Test(
        "ranges of rows begin at groups, lie apart, and have about as many rows as were asked for",
        arguments: [(1, 16), (5, 1), (1000, 1), (1000, 16), (1007, 16), (32, 16)])
    func ranges(total: Int, multiple: Int) {
        for count in [0, 1, 7, 16, 100, 999, 5000] {
            let ranges = WeightSample.ranges(of: total, count: count, multiple: multiple)
            #expect(!ranges.isEmpty && ranges.allSatisfy { !$0.isEmpty && $0.lowerBound % multiple == 0 })
            #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
            #expect((ranges.last?.upperBound ?? 0) <= total)
            let rows = ranges.reduce(0) { $0 + $1.count }
            #expect(count >= total ? rows == total : rows <= max(count, multiple))
        }
        #expect(WeightSample.ranges(of: 0, count: 10, multiple: 16).isEmpty)
    }

    @Test("a matrix in q4 gives its codes, others their weights, and a container the same as its checkpoint")
    func sources() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel().checkpoint()
        let name: TensorName = "model.layers.0.mlp.up_proj.weight"
        func sample(_ source: any TensorSource, limit: Int = .max) throws -> WeightSample {
            var sample = WeightSample()
            try sample.add(try #require(source.tensor(named: name)), in: source, limit: limit)
            return sample
        }
        let original = try sample(checkpoint.weights)
        let (float, _) = try convert(checkpoint, QuantizeOptions(type: .plain(.f16)), in: folder)
        #expect(try sample(ContainerSource(float)) == original)
        #expect(original.blocks.count == 96 * 64 && original.codes.count == 0)
        let (quantized, _) = try convert(checkpoint, QuantizeOptions(type: .q4), in: folder)
        let codes = try sample(ContainerSource(quantized))
        #expect(codes.codes.count == 96 * 64 && codes.blocks.count == 0)
        let few = try sample(ContainerSource(quantized), limit: 32 * 64)
        #expect(few.sampledCount == 32 * 64 && few.codes.count == 32 * 64 && few.totalCount == 96 * 64)
    }
}
