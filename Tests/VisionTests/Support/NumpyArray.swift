import Testing
import Vision

/// The numbers in an `.npy` file of version 1.0, float32 or uint8.
struct NumpyArray {
    let shape: [Int]
    let values: [Float]

    /// Reads `path` among the fixtures, without `.npy`.
    init(_ path: String) throws {
        let bytes = try Fixtures.bytes("\(path).npy")
        let headerEnd = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let header = String(decoding: bytes[10..<headerEnd], as: UTF8.self)
        let extents = try #require(header.firstMatch(of: /'shape': \(([0-9, ]*)\)/)).1
        shape = extents.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) }
        if header.contains("|u1") {
            values = bytes[headerEnd...].map { Float($0) }
        } else {
            try #require(header.contains("<f4"))
            values = stride(from: headerEnd, to: bytes.count, by: 4).map { offset in
                Float(bitPattern: bytes[offset..<offset + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            }
        }
        try #require(values.count == shape.reduce(1, *))
    }

    /// The image of an array `[height, width, 3]` of bytes.
    func image() throws -> PixelImage {
        try PixelImage(size: PixelSize(width: shape[1], height: shape[0]), pixels: values.map { UInt8($0) })
    }
}
