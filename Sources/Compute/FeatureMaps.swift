import CKernels

/// Feature maps of an image encoder: `[count, height, width, channels]`.
package struct FeatureMaps: Sendable {
    /// The number of maps.
    package let count: Int
    /// The number of rows of pixels.
    package let height: Int
    /// The number of pixels in a row.
    package let width: Int
    /// The number of channels of a pixel.
    package let channels: Int
    /// The distance between neighbouring pixels, in numbers.
    let pixelStride: Int
    /// `[count * height * width, channels]`. Maps made of planes are one row without gaps between the pixels.
    package let pixels: Matrix

    /// Creates uninitialized maps.
    ///
    /// - Parameter pool: Where memory is taken from and returned to; nil to allocate it.
    package init(count: Int = 1, height: Int, width: Int, channels: Int, pool: MatrixPool? = nil) {
        self.init(
            count: count, height: height, width: width,
            pixels: Matrix(rows: count * height * width, columns: channels, pool: pool))
    }

    /// Creates maps of `pixels`: `[count * height * width, channels]`.
    package init(count: Int, height: Int, width: Int, pixels: Matrix) {
        precondition(pixels.rows == count * height * width)
        self.count = count
        self.height = height
        self.width = width
        channels = pixels.columns
        pixelStride = pixels.stride
        self.pixels = pixels
    }

    /// Creates one map of planes `[channels, height, width]`.
    package init(planes: [Float], height: Int, width: Int, channels: Int) {
        precondition(planes.count == height * width * channels)
        count = 1
        self.height = height
        self.width = width
        self.channels = channels
        pixelStride = channels
        pixels = Matrix(rows: 1, columns: planes.count)
        planes.withUnsafeBufferPointer {
            pvit_interleave($0.baseAddress, channels, height * width, pixels.start)
        }
    }

    /// The size of the maps that a convolution with a square kernel computes.
    package func outputSize(kernel: Int, stride: Int, padding: Int) -> (height: Int, width: Int) {
        func extent(_ side: Int) -> Int { max((side + 2 * padding - kernel) / stride + 1, 0) }
        return (extent(height), extent(width))
    }

    /// The channels of one pixel.
    package func pixel(map: Int = 0, row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        pixels.start + ((map * height + row) * width + column) * pixelStride
    }
}
