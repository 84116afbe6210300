@testable import Compute

/// A convolution over two maps of random numbers, padded so that a step of 1 keeps their size.
struct TestConvolution {
    let kernel: Int
    let stride: Int
    let channels: Int
    let outputs: Int

    /// Whether the products with `weights` are those of the definition in double precision.
    ///
    /// - Parameters:
    ///   - tolerance: Of an error, relative to the sum of the terms' magnitudes.
    ///   - weight: The number of an output and a channel at one of the pixels under the kernel.
    func isRight(
        _ weights: WeightMatrix, tolerance: Double, weight: (_ output: Int, _ channel: Int, _ tap: Int) -> Float
    ) throws -> Bool {
        let (count, height, width, padding) = (2, 9, 6, kernel / 2)
        let numbers = random(count * height * width * channels, seed: 9)
        let maps = FeatureMaps(
            count: count, height: height, width: width, pixels: matrix(count * height * width, channels, numbers))
        let (rows, columns) = maps.outputSize(kernel: kernel, stride: stride, padding: padding)
        let result = FeatureMaps(count: count, height: rows, width: columns, channels: outputs)
        try ComputeEngine(threadCount: 2).multiply(
            Im2Col(maps, kernel: kernel, stride: stride, padding: padding), weights, into: result.pixels)
        for index in 0..<count * rows * columns {
            let (map, row, column) = (index / (rows * columns), index / columns % rows, index % columns)
            for output in 0..<outputs {
                var (exact, magnitude) = (0.0, 0.0)
                for tap in 0..<kernel * kernel {
                    let (y, x) = (row * stride + tap / kernel - padding, column * stride + tap % kernel - padding)
                    guard 0..<height ~= y, 0..<width ~= x else { continue }
                    let pixel = maps.pixel(map: map, row: y, column: x)
                    for channel in 0..<channels {
                        let term = Double(weight(output, channel, tap)) * Double(pixel[channel])
                        exact += term
                        magnitude += abs(term)
                    }
                }
                let found = Double(result.pixel(map: map, row: row, column: column)[output])
                guard abs(found - exact) <= tolerance * magnitude else { return false }
            }
        }
        return true
    }
}
