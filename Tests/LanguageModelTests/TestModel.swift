import Architectures
import Checkpoints
import CheckpointTestSupport
import Compute
import Container
import Conversion
import Storage
import Platform
import SystemPackage
import Tensors

@testable import LanguageModel

/// A container in a temporary folder, made of a generated checkpoint.
struct TestModel: Sendable {
    /// The generated checkpoints as they are stored, written once for all tests.
    private static let plain = Lock<[String: TestModel]>([:])

    static func plain(_ name: String) throws -> TestModel {
        try plain.withLock { models in
            if let model = models[name] { return model }
            let model = try TestModel(name)
            models[name] = model
            return model
        }
    }

    private(set) var container: Container
    let configuration: LlamaConfiguration
    private let folder: TemporaryFolder

    /// How the matrices are written.
    enum Matrices: Hashable, Sendable {
        case asStored
        case quantized(TensorEncoding)
        /// What decoding the quantized matrices gives, as f32.
        case decoded(TensorEncoding)
    }

    static func checkpoint(_ name: String) throws -> Checkpoint {
        if name != "mini-pvit" { return try CheckpointSource.open(GeneratedFixtures.path(name)) }
        return try DeltaMerge.merge(
            base: checkpoint("mini-llama-base-st"), delta: checkpoint("mini-pvit-delta-st")
        ).checkpoint
    }

    /// A generated checkpoint with its weights as they are stored.
    init(_ name: String) throws {
        let checkpoint = try Self.checkpoint(name)
        try self.init(checkpoint.weights, checkpoint.config ?? [:])
    }

    init(
        _ source: any TensorSource, _ config: JSONObject, matrices: Matrices = .asStored,
        compression: Compression = .none, rowsPerTile: Int? = nil
    ) throws {
        folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        var writer = try ContainerWriter(path: path)
        for tensor in source.tensors {
            let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            switch matrices {
            case .asStored:
                try writer.write(
                    tensor, bytes, .plain(tensor.elementType), compression: compression, rowsPerTile: rowsPerTile)
            case .quantized(let encoding), .decoded(let encoding):
                let floats = unpacked(bytes, tensor.elementType)
                guard tensor.shape.rank == 2, encoding.supports(columns: tensor.shape.elementsPerRow) else {
                    try writer.write(tensor, packed(floats, .f32), .plain(.f32))
                    continue
                }
                let matrix = QuantizedMatrix(floats, tensor.shape, encoding)
                if case .decoded = matrices {
                    try writer.write(tensor, packed(matrix.values, .f32), .plain(.f32))
                } else {
                    try writer.write(
                        tensor, matrix.bytes, encoding, scale: QuantizedMatrix.tileScale(encoding),
                        compression: compression, rowsPerTile: rowsPerTile)
                }
            }
        }
        _ = try writer.finish(metadata: [:])
        container = try Container(opening: path)
        configuration = try LlamaConfiguration(parsing: config)
    }

    /// The same file, opened again.
    func reopened() throws -> TestModel {
        var model = self
        model.container = try Container(opening: container.path)
        return model
    }

    func llama(threads: Int = 2, instructionSet set: InstructionSet? = nil) throws -> Llama {
        try Llama(configuration, in: container, engine: ComputeEngine(threadCount: threads, instructionSet: set))
    }

}

extension ContainerWriter {
    fileprivate mutating func write(
        _ tensor: TensorDescription, _ bytes: [UInt8], _ encoding: TensorEncoding, scale: Float = 1,
        compression: Compression = .none, rowsPerTile: Int? = nil
    ) throws {
        let rows = rowsPerTile.map { min($0, max(tensor.shape.rows / 16 * 16, 16)) }
        let layout = try TileLayout(
            encoding: encoding, shape: tensor.shape, rowsPerTile: tensor.shape.rank == 2 ? rows : nil)
        try beginTensor(tensor.name, encoding: encoding, shape: tensor.shape, rowsPerTile: layout.rowsPerTile)
        var start = 0
        for tile in 0..<layout.tileCount {
            let content = bytes.span.bytes.extracting(start..<start + layout.byteCount(ofTile: tile))
            try append(
                TileEncoder.encode(content, encoding: encoding, scale: scale, compression: compression),
                content: content)
            start += content.byteCount
        }
        try endTensor()
    }
}

/// A matrix in q8 or q4 by the plainest encoder there can be (scales by absolute maximum), and its values once decoded.
struct QuantizedMatrix {
    /// What encoded scales are relative to: any number that keeps them in the range of their fields.
    static func tileScale(_ encoding: TensorEncoding) -> Float { encoding == .q4 ? 4 : 0.25 }
    private(set) var bytes: [UInt8] = []
    private(set) var values: [Float]

    private static let codebook: [Float] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 72, 97, 121,
    ]

    init(_ floats: [Float], _ shape: Shape, _ encoding: TensorEncoding) {
        let (rows, columns) = (shape.rows, shape.elementsPerRow)
        values = [Float](repeating: 0, count: rows * columns)
        let blockWidth = encoding == .q8 ? 32 : 16
        for group in stride(from: 0, to: rows, by: 16) {
            for start in stride(from: 0, to: columns, by: 64) {
                let end = min(start + 64, columns)
                var scales: [UInt8] = []
                var codes = [[Int]](repeating: [], count: 16)
                var fields: [[UInt8]] = []
                for block in stride(from: start, to: end, by: blockWidth) {
                    for row in 0..<16 {
                        let exists = group + row < rows
                        let place = (group + row) * columns + block
                        let source =
                            exists ? Array(floats[place..<place + blockWidth]) : .init(repeating: 0, count: blockWidth)
                        let (field, scale) = Self.scale(of: source, encoding)
                        fields.append(field)
                        for (index, value) in source.enumerated() {
                            let code = Self.code(of: value, scale, encoding)
                            codes[row].append(code)
                            guard exists else { continue }
                            values[place + index] = scale * (encoding == .q8 ? Float(code - 128) : Self.codebook[code])
                        }
                    }
                }
                scales = fields.flatMap(\.self)
                bytes += scales
                for quad in stride(from: 0, to: end - start, by: encoding == .q8 ? 4 : 8) {
                    for row in 0..<16 {
                        for k in 0..<4 {
                            let low = codes[row][quad + k]
                            bytes.append(UInt8(encoding == .q8 ? low : low | codes[row][quad + 4 + k] << 4))
                        }
                    }
                }
            }
        }
    }

    private static func scale(of block: [Float], _ encoding: TensorEncoding) -> (field: [UInt8], scale: Float) {
        let largest = block.reduce(0) { max($0, abs($1)) } / (encoding == .q8 ? 127 : 121) / tileScale(encoding)
        var bits = Float16(largest).bitPattern
        guard encoding == .q4 else {
            var field: [UInt8] = []
            field.appendLittleEndian(bits)
            return (field, Float(Float16(bitPattern: bits)) * tileScale(encoding))
        }
        bits = min((bits + 32) >> 6, 127)
        return ([UInt8(bits)], Float(Float16(bitPattern: bits << 6)) * tileScale(encoding))
    }

    private static func code(of value: Float, _ scale: Float, _ encoding: TensorEncoding) -> Int {
        let scaled = scale > 0 ? value / scale : 0
        guard encoding == .q4 else { return Int(min(max(scaled.rounded(), -127), 127)) + 128 }
        return codebook.indices.min { abs(codebook[$0] - scaled) < abs(codebook[$1] - scaled) } ?? 0
    }
}
