import CheckpointTestSupport
import CKernels
import Container
import Storage
import SystemPackage
import Tensors
import Testing

@testable import Compute

/// One tensor in a container of its own, and its numbers as they come out of it.
struct StoredTestMatrix {
    let matrix: WeightMatrix
    let values: [Float]
    private let folder: TemporaryFolder

    init(
        _ shape: [Int], _ encoding: TensorEncoding, compression: Compression = .none, rowsPerTile: Int? = nil, seed: Int
    ) throws {
        folder = try TemporaryFolder()
        let extent = try #require(Shape(shape))
        var state = UInt64(seed)
        let floats: [Float] = (0..<extent.elementCount).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int(state >> 40) - (1 << 23)) / Float(1 << 23)
        }
        let layout = try TileLayout(encoding: encoding, shape: extent, rowsPerTile: rowsPerTile)
        let path = folder.path.appending("matrix.pvq")
        var writer = try ContainerWriter(path: path)
        try writer.beginTensor("matrix", encoding: encoding, shape: extent, rowsPerTile: layout.rowsPerTile)
        for tile in 0..<layout.tileCount {
            let rows = layout.rows(ofTile: tile)
            let part = floats[rows.lowerBound * extent.elementsPerRow..<rows.upperBound * extent.elementsPerRow]
            let (content, scale) = try Self.encode(Array(part), encoding, rows.count, extent.elementsPerRow)
            try writer.append(
                TileEncoder.encode(content.span.bytes, encoding: encoding, scale: scale, compression: compression),
                content: content.span.bytes)
        }
        try writer.endTensor()
        _ = try writer.finish(metadata: [:])
        matrix = try WeightMatrix("matrix", shape: shape, in: Container(opening: path))
        values = try matrix.decoded().values()
        let tolerance: Float = encoding == .q4 ? 0.2 : encoding == .q8 ? 0.01 : 0.004
        try #require(zip(values, floats).allSatisfy { abs($0 - $1) <= tolerance })
    }

    /// A row of `x`, `[rows, columns]`, times a row of the matrix, and the sum of the terms' magnitudes.
    func product(of x: [Float], row: Int, output: Int) -> (exact: Double, magnitude: Double) {
        let columns = matrix.columns
        return (0..<columns).reduce((0, 0)) {
            let term = Double(x[row * columns + $1]) * Double(values[output * columns + $1])
            return ($0.0 + term, $0.1 + abs(term))
        }
    }

    private static func encode(
        _ floats: [Float], _ encoding: TensorEncoding, _ rows: Int, _ columns: Int
    ) throws -> ([UInt8], Float) {
        switch encoding {
        case .plain(.f32): return (floats.reduce(into: []) { $0.appendLittleEndian($1.bitPattern) }, 1)
        case .plain(.f16): return (floats.reduce(into: []) { $0.appendLittleEndian(Float16($1).bitPattern) }, 1)
        case .plain(.bf16):
            return (floats.reduce(into: []) { $0.appendLittleEndian(UInt16($1.bitPattern >> 16)) }, 1)
        default:
            let kernels = pvit_kernels_best().pointee
            let (encode, scale) =
                encoding == .q4
                ? (kernels.encode_q4, pvit_q4_tile_scale(1)) : (kernels.encode_q8, pvit_q8_tile_scale(1))
            let bytesPerGroup = try #require(encoding.bytesPerGroup(columns: columns))
            let groups = (rows + 15) / 16
            var result = [UInt8](repeating: 0, count: groups * bytesPerGroup)
            var scratch = [Float](repeating: 0, count: 16 * columns)
            var errors = pvit_error_sums()
            let importance = [Float](repeating: 1, count: columns)
            floats.withUnsafeBufferPointer { floats in
                result.withUnsafeMutableBufferPointer { result in
                    for group in 0..<groups {
                        encode?(
                            floats.baseAddress?.advanced(by: group * 16 * columns), min(16, rows - group * 16), columns,
                            columns, importance, scale, &scratch,
                            result.baseAddress?.advanced(by: group * bytesPerGroup), &errors)
                    }
                }
            }
            return (result, scale)
        }
    }
}

/// Numbers from -1 to 1.
func random(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int(state >> 40) - (1 << 23)) / Float(1 << 23)
    }
}

/// The matrix of `values`, `[rows, columns]`.
func matrix(_ rows: Int, _ columns: Int, _ values: [Float]) -> Matrix {
    let result = Matrix(rows: rows, columns: columns)
    for row in 0..<rows { result.fill(row: row, with: values.span.extracting(row * columns..<(row + 1) * columns)) }
    return result
}
