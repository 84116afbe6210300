import Checkpoints
import CheckpointTestSupport
import Compute
import Container
import Conversion
import Foundation
import Quantization
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Vision

/// A file in `Fixtures/towers`: results of the original PyTorch code with generated weights.
func towerFixture(_ path: String) throws -> URL {
    let url = Bundle.module.resourceURL?.appending(path: "Fixtures/towers/\(path)")
    return try #require(url)
}

/// The pixels of a binary PPM file of 8 bits.
func portablePixmap(_ name: String) throws -> PixelImage {
    let bytes = try contents(of: FilePath(SharedFixtures.path(name)))
    let fields = bytes.prefix(64).split(separator: UInt8(ascii: "\n"), maxSplits: 3).prefix(3)
    let size = String(decoding: fields[fields.startIndex + 1], as: UTF8.self).split(separator: " ").compactMap {
        Int($0)
    }
    try #require(size.count == 2)
    let pixels = Array(bytes.suffix(size[0] * size[1] * 3))
    return try PixelImage(size: PixelSize(width: size[0], height: size[1]), pixels: pixels)
}

extension FeatureMaps {
    /// A sample of the numbers in PyTorch's order, `[count, channels, height, width]`: every `channelStep`-th channel,
    /// and every `step`-th row and column.
    func planes(channelStep: Int = 1, step: Int = 1) -> [Float] {
        var result: [Float] = []
        for map in 0..<count {
            for channel in stride(from: 0, to: channels, by: channelStep) {
                for row in stride(from: 0, to: height, by: step) {
                    for column in stride(from: 0, to: width, by: step) {
                        result.append(pixel(map: map, row: row, column: column)[channel])
                    }
                }
            }
        }
        return result
    }
}

/// A container in a temporary folder with a tower from a checkpoint.
struct TowerContainer: Sendable {
    let container: Container
    private let folder: TemporaryFolder

    /// Writes the tensors whose names begin with `namePrefix` under `prefix` + name.
    ///
    /// - Parameters:
    ///   - type: The type of floats: `.f32` or `.f16`, which represents every generated weight exactly.
    ///   - change: Returns the shape of a tensor in the container, or nil to leave the tensor out.
    init(
        _ checkpoint: FilePath, namePrefix: String, as prefix: String, type: ElementType = .f32,
        compression: Compression = .none, metadata: JSONObject = [:],
        change: (TensorDescription) -> Shape? = { $0.shape }
    ) throws {
        folder = try TemporaryFolder()
        let path = folder.path.appending("towers.pvq")
        let source = try CheckpointSource.open(checkpoint).weights
        var writer = try ContainerWriter(path: path)
        for tensor in source.tensors where tensor.name.rawValue.hasPrefix(namePrefix) {
            guard let shape = change(tensor) else { continue }
            let name = TensorName(prefix + tensor.name.rawValue)
            var content = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            try #require(tensor.elementType == .f32)
            if type == .f16 {
                content = stride(from: 0, to: content.count, by: 4).reduce(into: []) { result, offset in
                    let bits = content[offset..<offset + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                    result.appendLittleEndian(Float16(Float(bitPattern: bits)).bitPattern)
                }
            }
            let layout = try TileLayout(encoding: .plain(type), shape: shape)
            try writer.beginTensor(name, encoding: .plain(type), shape: shape, rowsPerTile: layout.rowsPerTile)
            var start = 0
            for tile in 0..<layout.tileCount {
                let bytes = content.span.bytes.extracting(start..<start + layout.byteCount(ofTile: tile))
                try writer.append(
                    TileEncoder.encode(bytes, encoding: .plain(type), compression: compression), content: bytes)
                start += bytes.byteCount
            }
            try writer.endTensor()
        }
        _ = try writer.finish(metadata: metadata)
        container = try Container(opening: path)
    }

    /// A tower as it is converted with its weights in q8.
    init(quantized tower: Tower) throws {
        folder = try TemporaryFolder()
        let path = folder.path.appending("towers.pvq")
        let tower = try tower.quantized()
        var writer = try ContainerWriter(path: path)
        for tensor in tower.weights.tensors {
            let isQuantized = tower.quantizedNames.contains(tensor.name)
            let encoding = isQuantized ? TensorEncoding.q8 : .plain(tensor.elementType)
            let layout = try TileLayout(encoding: encoding, shape: tensor.shape)
            try writer.beginTensor(tensor.name, encoding: encoding, shape: tensor.shape)
            for index in 0..<layout.tileCount {
                var content = try tower.weights.bytes(ofRows: layout.rows(ofTile: index), of: tensor)
                var scale: Float = 1
                if isQuantized {
                    let floats = content.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
                    let columns = tensor.shape.elementsPerRow
                    let tile = try TileQuantizer(encoding: encoding, columns: columns).encode(
                        rows: floats.span, largest: TileQuantizer.largestMagnitude(of: floats.span, columns: columns))
                    (content, scale) = (tile.bytes, tile.scale)
                }
                try writer.append(
                    TileEncoder.encode(content.span.bytes, encoding: encoding, scale: scale, compression: .none),
                    content: content.span.bytes)
            }
            try writer.endTensor()
        }
        _ = try writer.finish(metadata: tower.metadata)
        container = try Container(opening: path)
    }

    static func clip(
        type: ElementType = .f32, compression: Compression = .none, configuration: JSONObject? = nil,
        change: (TensorDescription) -> Shape? = { $0.shape }
    ) throws -> TowerContainer {
        let path = GeneratedFixtures.path("mini-clip")
        let config = try #require(try CheckpointSource.open(path).config)
        return try TowerContainer(
            path, namePrefix: "vision_model.", as: "vision_tower.", type: type, compression: compression,
            metadata: ["vision_tower.config": .object(configuration ?? config)], change: change)
    }

    static func region(
        _ path: FilePath = GeneratedFixtures.path("mini-regionclip/regionclip_narrow.pth"), type: ElementType = .f32,
        compression: Compression = .none, change: (TensorDescription) -> Shape? = { $0.shape }
    ) throws -> TowerContainer {
        try TowerContainer(
            path, namePrefix: "backbone.", as: "region_encoder.", type: type, compression: compression, change: change)
    }
}

/// The cosine of the angle between two vectors.
func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func product(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    return product(a, b) / (product(a, a) * product(b, b)).squareRoot()
}
