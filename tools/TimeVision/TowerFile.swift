import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// A container with only two towers, in float16.
enum TowerFile {
    /// Writes the towers of a CLIP folder and a RegionCLIP file.
    static func write(clip: FilePath, region: FilePath, to path: FilePath) throws {
        var writer = try ContainerWriter(path: path)
        let checkpoint = try CheckpointSource.open(clip)
        try append(checkpoint.weights, "vision_model.", as: "vision_tower.", to: &writer)
        try append(try CheckpointSource.open(region).weights, "backbone.", as: "region_encoder.", to: &writer)
        _ = try writer.finish(metadata: ["vision_tower.config": .object(checkpoint.config ?? [:])])
    }

    private static func append(
        _ source: any TensorSource, _ namePrefix: String, as prefix: String, to writer: inout ContainerWriter
    ) throws {
        for tensor in source.tensors where tensor.name.rawValue.hasPrefix(namePrefix) {
            guard tensor.elementType == .f32 else { continue }
            let content = halves(try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor))
            let encoding = TensorEncoding.plain(.f16)
            let layout = try TileLayout(encoding: encoding, shape: tensor.shape)
            try writer.beginTensor(TensorName(prefix + tensor.name.rawValue), encoding: encoding, shape: tensor.shape)
            var start = 0
            for tile in 0..<layout.tileCount {
                let bytes = content.span.bytes.extracting(start..<start + layout.byteCount(ofTile: tile))
                try writer.append(
                    TileEncoder.encode(bytes, encoding: encoding, compression: .none), content: bytes)
                start += bytes.byteCount
            }
            try writer.endTensor()
        }
    }

    /// Little-endian float32 as float16.
    private static func halves(_ floats: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(floats.count / 2)
        floats.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count, by: 4) {
                let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                result.appendLittleEndian(Float16(Float(bitPattern: UInt32(littleEndian: bits))).bitPattern)
            }
        }
        return result
    }
}
