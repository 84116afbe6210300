import Foundation
import Tensors
import TestSupport

@testable import Quantization

/// Repeatable random weights.
struct RandomWeights {
    private var random: RepeatableRandom

    init(seed: UInt64) { random = RepeatableRandom(seed: seed) }

    mutating func bits() -> UInt64 { random.next() }

    /// In [0, 1).
    mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }

    /// Normally distributed, by the method of Box and Muller.
    mutating func gaussian() -> Double {
        (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform())
    }

    /// Student's t with 4 degrees of freedom: heavy tails.
    mutating func heavyTailed() -> Double {
        let squares = (0..<4).reduce(0.0) { sum, _ in
            let x = gaussian()
            return sum + x * x
        }
        return gaussian() / (squares / 4).squareRoot()
    }

    mutating func gaussian(_ count: Int, scale: Double = 0.02) -> [Float] {
        (0..<count).map { _ in Float(gaussian() * scale) }
    }
}

extension TileQuantizer {
    /// Encodes the rows of one tile, the first of which has the number `firstRow` in messages.
    func encode(rows: Span<Float>, firstRow: Int = 0) throws -> Tile {
        let largest = try Self.largestMagnitude(of: rows, columns: columns, firstRow: firstRow, kernels: kernels)
        return try encode(rows: rows, largest: largest)
    }
}

extension TileQuantizer.Tile {
    /// The decoded rows.
    func decoded(_ encoding: TensorEncoding, rows: Int, columns: Int) throws -> [Float] {
        var numbers = [Float](repeating: .nan, count: rows * columns)
        var span = numbers.mutableSpan
        var packed = span.mutableBytes
        try TileDecoder(encoding: encoding, columns: columns)
            .decode(0..<rows, of: bytes.span.bytes, scale: scale, into: &packed)
        return numbers
    }
}

/// sqrt(sum (y - x)² / sum x²).
func relativeRMSE(_ decoded: [Float], _ originals: [Float]) -> Double {
    let error = zip(decoded, originals).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return (error / originals.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
}
