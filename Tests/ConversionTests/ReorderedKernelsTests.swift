import Architectures
import CheckpointTestSupport
import Storage
import Tensors
import Testing

@testable import Conversion

@Suite("Kernels with their channels last")
struct ReorderedKernelsTests {
    /// Kernels `[2, 28, 3, 2]` whose numbers tell their places.
    private struct Source: TensorSource {
        let tensors: [TensorDescription]

        init() throws {
            tensors = try ["kernels", "others"].map {
                try TensorDescription(name: $0, elementType: .f32, shape: #require(Shape([2, 28, 3, 2])))
            }
        }

        func readRows(
            _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
        ) throws {
            let numbers = rows.flatMap { row in (0..<28 * 6).map { Float(row * 28 * 6 + $0 + 1) } }
            destination.withUnsafeMutableBytes { target in numbers.withUnsafeBytes { target.copyMemory(from: $0) } }
        }
    }

    private func values(_ rows: Range<Int>, of name: TensorName, _ source: any TensorSource) throws -> [Float] {
        let tensor = try #require(source.tensor(named: name))
        return unpacked(try source.bytes(ofRows: rows, of: tensor), tensor.elementType)
    }

    @Test("each number is at [output, row, column, channel], with zeros for the channels of the padding")
    func order() throws {
        let source = try ReorderedKernels.channelsLast(Source(), ["kernels"])
        #expect(source.tensors.map(\.shape.dimensions) == [[2, 3, 2, 32], [2, 28, 3, 2]])
        let numbers = try values(1..<2, of: "kernels", source)
        for position in 0..<6 {
            for channel in 0..<32 {
                let expected = channel < 28 ? Float(28 * 6 + channel * 6 + position + 1) : 0
                #expect(numbers[position * 32 + channel] == expected)
            }
        }
        #expect(try values(0..<2, of: "others", source) == values(0..<2, of: "others", Source()))
    }

    @Test("the order of checkpoints comes back")
    func back() throws {
        let last = try ReorderedKernels.channelsLast(Source(), ["kernels"])
        let architecture = [ExpectedTensor("kernels", [2, 28, 3, 2]), ExpectedTensor("others", [2, 28, 3, 2])]
        let first = try ReorderedKernels.channelsFirst(last, architecture)
        #expect(first.tensors == (try Source().tensors))
        for name in ["kernels", "others"] as [TensorName] {
            #expect(try values(0..<2, of: name, first) == values(0..<2, of: name, Source()))
        }
    }

    @Test(
        "padding makes kernels at most a quarter larger",
        arguments: [(80, 96), (32, 32), (26, 32), (25, nil), (3, nil)])
    func padding(channels: Int, padded: Int?) {
        #expect(QuantizedKernels.shape(of: [5, channels, 3, 3]) == padded.map { [5, 3, 3, $0] })
        #expect(QuantizedKernels.shape(of: [5, channels]) == nil)
    }
}
