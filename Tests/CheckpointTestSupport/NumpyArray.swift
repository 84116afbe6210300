import Storage
import SystemPackage
import Tensors
import Testing

/// Numbers from an `.npy` file of version 1.0: float32, int32 or bytes.
package struct NumpyArray: Sendable {
    /// The extents.
    package let shape: [Int]
    /// The numbers, row by row.
    package let values: [Float]

    /// Reads a file.
    package init(_ path: FilePath) throws {
        let bytes = try contents(of: path)
        let headerEnd = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let header = String(decoding: bytes[10..<headerEnd], as: UTF8.self)
        let extents = try #require(header.firstMatch(of: /'shape': \(([0-9, ]*)\)/)).1
        shape = extents.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) }
        let content = Array(bytes[headerEnd...])
        if header.contains("|u1") {
            values = content.map(Float.init)
        } else {
            let isInteger = header.contains("<i4")
            try #require(isInteger || header.contains("<f4"))
            let numbers = unpacked(content, .f32)
            values = isInteger ? numbers.map { Float(Int32(bitPattern: $0.bitPattern)) } : numbers
        }
        try #require(values.count == shape.reduce(1, *))
    }
}

/// The largest distance between two lists of numbers.
package func largestDistance(_ left: some Collection<Float>, _ right: some Collection<Float>) -> Float {
    guard left.count == right.count else { return .infinity }
    return zip(left, right).reduce(0) { max($0, ($1.0 - $1.1).isNaN ? .infinity : abs($1.0 - $1.1)) }
}
