import CheckpointTestSupport
import Compute
import Container
import Storage
import SystemPackage
import Tensors
import Testing

@testable import Compute

@Suite("Linear layers")
struct LinearLayerTests {
    /// A container with `layer.weight`, `[outputs, inputs]`, and `layer.bias`, and the numbers in it.
    private func layer(
        _ type: ElementType, inputs: Int, outputs: Int, in folder: TemporaryFolder
    ) throws -> (container: Container, weights: [Float], bias: [Float]) {
        // Halves of small whole numbers: exact in every type.
        let weights = (0..<outputs * inputs).map { Float($0 * 7 % 31 - 15) / 2 }
        let bias = (0..<outputs).map { Float($0 * 5 % 17 - 8) / 2 }
        let path = folder.path.appending("layer.pvq")
        var writer = try ContainerWriter(path: path)
        for (name, dimensions, values) in [("weight", [outputs, inputs], weights), ("bias", [outputs], bias)] {
            let encoding = TensorEncoding.plain(type)
            try writer.beginTensor(
                TensorName("layer.\(name)"), encoding: encoding, shape: try #require(Shape(dimensions)))
            let content = packed(values, type)
            let tile = try TileEncoder.encode(content.span.bytes, encoding: encoding, compression: .none)
            try writer.append(tile, content: content.span.bytes)
            try writer.endTensor()
        }
        _ = try writer.finish(metadata: [:])
        return (try Container(opening: path), weights, bias)
    }

    @Test(
        "vectors are multiplied and the bias is added, one at a time and together",
        arguments: [ElementType.f32, .f16, .bf16], [(4, 5), (64, 33), (3, 256)])
    func products(type: ElementType, size: (inputs: Int, outputs: Int)) throws {
        let folder = try TemporaryFolder()
        let (container, weights, bias) = try layer(type, inputs: size.inputs, outputs: size.outputs, in: folder)
        let layer = try LinearLayer(
            weight: "layer.weight", bias: "layer.bias", inputs: size.inputs, outputs: size.outputs, in: container)
        let engine = try ComputeEngine(threadCount: 2)
        for rows in [0, 1, 3] {
            let x = (0..<rows * size.inputs).map { Float($0 * 3 % 13 - 6) }
            let input = Matrix(rows: rows, columns: size.inputs)
            for row in 0..<rows {
                input.fill(row: row, with: x.span.extracting(row * size.inputs..<(row + 1) * size.inputs))
            }
            var expected: [Float] = []
            for row in 0..<rows {
                for output in 0..<size.outputs {
                    expected.append(
                        (0..<size.inputs).reduce(bias[output]) {
                            $0 + weights[output * size.inputs + $1] * x[row * size.inputs + $1]
                        })
                }
            }
            // Sums of halves below 2^20 are exact in every order.
            #expect(try layer(input, engine).values() == expected)
        }
        #expect(throws: PVITError.self) { try layer(Matrix(rows: 1, columns: size.inputs + 1), engine) }
        let misshaped = #expect(throws: PVITError.self) {
            try LinearLayer(
                weight: "layer.weight", bias: "layer.bias", inputs: size.inputs + 1, outputs: size.outputs,
                in: container)
        }
        #expect(misshaped?.code == .tensorMismatch && misshaped?.tensor == "layer.weight")
        let absent = #expect(throws: PVITError.self) {
            try LinearLayer(
                weight: "none.weight", bias: "none.bias", inputs: size.inputs, outputs: size.outputs, in: container)
        }
        #expect(absent?.code == .tensorNotFound)
    }
}
