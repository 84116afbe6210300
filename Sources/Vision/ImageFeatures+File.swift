import Architectures
import Compute
import Container
import Storage

/// An encoded image in a file (`formats/session.md`): a part for each row of the map, `[width, channels]` as f32, and
/// its XXH3.
extension RegionEncoder.ImageFeatures {
    /// The sizes of the map and of the image.
    package struct Sizes: Sendable, Hashable {
        /// The sides of the map.
        package let map: PixelSize
        /// The number of channels of a pixel of the map.
        package let channels: Int
        /// The sides of the encoded image.
        package let image: PixelSize

        /// Creates sizes.
        package init(map: PixelSize, channels: Int, image: PixelSize) {
            self.map = map
            self.channels = channels
            self.image = image
        }

        /// Whether an encoder with this number of channels can have encoded an image to these sizes.
        package func arePossible(channels: Int) -> Bool {
            let sides = 1...RegionEncoderConfiguration.largestSide
            return self.channels == channels
                && [map.width, map.height, image.width, image.height].allSatisfy(sides.contains)
        }

        /// The size in a file, in bytes. The sizes must be possible.
        package var fileByteCount: Int { map.height * partByteCount }

        fileprivate var partByteCount: Int {
            map.width * channels * MemoryLayout<Float>.size + MemoryLayout<UInt64>.size
        }
    }

    /// The sizes.
    package var sizes: Sizes {
        Sizes(map: PixelSize(width: map.width, height: map.height), channels: map.channels, image: size)
    }

    /// Appends the numbers to a file.
    ///
    /// - Throws: `file.write-failed`.
    package func append(to file: inout OutputFile) throws {
        for row in 0..<map.height {
            var part: [UInt8] = []
            part.reserveCapacity(sizes.partByteCount)
            for column in 0..<map.width {
                map.pixels.withRow(row * map.width + column) { pixel in
                    for index in pixel.indices { part.appendLittleEndian(pixel[index].bitPattern) }
                }
            }
            part.appendLittleEndian(xxh3(part.span.bytes))
            try file.append(part)
        }
    }

    /// Reads the numbers from a file.
    ///
    /// - Parameters:
    ///   - sizes: Possible sizes.
    ///   - offset: Where the numbers begin in the file.
    ///   - damaged: Makes the error for bytes that do not match their checksum.
    /// - Throws: What `damaged` makes; `file.truncated` and `file.read-failed`.
    package init(
        _ sizes: Sizes, from file: borrowing MappedFile, at offset: Int, damaged: (Range<Int>) -> PVITError
    ) throws {
        let map = FeatureMaps(height: sizes.map.height, width: sizes.map.width, channels: sizes.channels)
        for row in 0..<map.height {
            let range = offset + row * sizes.partByteCount..<offset + (row + 1) * sizes.partByteCount
            try file.withBytes(range) { part in
                let content = part.extracting(0..<part.byteCount - MemoryLayout<UInt64>.size)
                guard try part.littleEndian(at: content.byteCount) == xxh3(content) else { throw damaged(range) }
                for column in 0..<map.width {
                    let pixel = map.pixels.row(row * map.width + column)
                    for channel in 0..<map.channels {
                        let offset = (column * map.channels + channel) * MemoryLayout<Float>.size
                        pixel[channel] = Float(bitPattern: try content.littleEndian(at: offset))
                    }
                }
            }
            file.advise(.dontNeed, range)
        }
        self.init(map: map, size: sizes.image)
    }
}
