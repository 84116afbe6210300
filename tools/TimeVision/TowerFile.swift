import Container
import Conversion
import Quantization
import Storage
import SystemPackage
import Tensors

/// A container with only two towers, made of float32 checkpoints.
enum TowerFile {
    /// Writes the towers of a CLIP folder and a RegionCLIP file.
    ///
    /// - Parameter isQuantized: Whether weights are q8 where that is possible; all others are float16.
    static func write(clip: FilePath, region: FilePath, isQuantized: Bool, to path: FilePath) throws {
        var writer = try ContainerWriter(path: path)
        var metadata = JSONObject()
        for original in try [Tower.vision(opening: clip), Tower.region(opening: region)] {
            let tower = isQuantized ? try original.quantized() : original
            for tensor in tower.weights.tensors {
                let isQ8 = tower.quantizedNames.contains(tensor.name)
                try append(tensor, of: tower.weights, as: isQ8 ? .q8 : .plain(.f16), to: &writer)
            }
            for member in tower.metadata.members { metadata[member.key] = member.value }
        }
        _ = try writer.finish(metadata: metadata)
    }

    private static func append(
        _ tensor: TensorDescription, of source: any TensorSource, as encoding: TensorEncoding,
        to writer: inout ContainerWriter
    ) throws {
        let layout = try TileLayout(encoding: encoding, shape: tensor.shape)
        try writer.beginTensor(tensor.name, encoding: encoding, shape: tensor.shape)
        for index in 0..<layout.tileCount {
            let floats = try source.bytes(ofRows: layout.rows(ofTile: index), of: tensor).withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: 4).map {
                    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
                }
            }
            let (bytes, scale) = try encode(floats, encoding, columns: tensor.shape.elementsPerRow)
            try writer.append(
                TileEncoder.encode(bytes.span.bytes, encoding: encoding, scale: scale, compression: .none),
                content: bytes.span.bytes)
        }
        try writer.endTensor()
    }

    private static func encode(
        _ floats: [Float], _ encoding: TensorEncoding, columns: Int
    ) throws -> (bytes: [UInt8], scale: Float) {
        guard encoding.isQuantized else {
            var halves: [UInt8] = []
            halves.reserveCapacity(floats.count * 2)
            for number in floats { halves.appendLittleEndian(Float16(number).bitPattern) }
            return (halves, 1)
        }
        let tile = try TileQuantizer(encoding: encoding, columns: columns).encode(
            rows: floats.span, largest: TileQuantizer.largestMagnitude(of: floats.span, columns: columns))
        return (tile.bytes, tile.scale)
    }
}
