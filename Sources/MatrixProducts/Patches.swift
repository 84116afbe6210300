import CKernels

/// The left side of a product: the rows of a matrix, or the patches of feature maps that a convolution's kernel covers.
public struct Patches: Sendable {
    /// The number of patches: the rows of a product.
    public let count: Int
    /// The numbers in a patch.
    public let depth: Int
    private let maps: FeatureMaps
    private let kernel: Int
    private let step: Int
    private let padding: Int
    private let outputSize: (height: Int, width: Int)

    /// The rows of a matrix.
    public init(_ matrix: FloatMatrix) {
        self.init(FeatureMaps(count: 1, height: 1, width: matrix.rows, pixels: matrix), kernel: 1, step: 1, padding: 0)
    }

    /// What a square kernel covers.
    ///
    /// - Parameters:
    ///   - kernel: The side of the kernel.
    ///   - step: Pixels from one place of the kernel to the next.
    ///   - padding: Zeros around each map.
    public init(_ maps: FeatureMaps, kernel: Int, step: Int, padding: Int) {
        self.maps = maps
        self.kernel = kernel
        self.step = step
        self.padding = padding
        outputSize = maps.outputSize(kernel: kernel, step: step, padding: padding)
        count = maps.count * outputSize.height * outputSize.width
        depth = kernel * kernel * maps.channels
    }

    /// Copies columns of some patches into a panel.
    func gather(_ rows: Range<Int>, columns: Range<Int>, into panel: FloatMatrix) {
        var layout = pvit_patches(
            pixels: UnsafePointer(maps.pixels.start), height: maps.height, width: maps.width, channels: maps.channels,
            stride: maps.pixelStride, kernel_height: kernel, kernel_width: kernel, step: step, padding: padding,
            output_height: outputSize.height, output_width: outputSize.width)
        pvit_gather_patches(&layout, rows.lowerBound, rows.count, columns.lowerBound, columns.count, panel.start)
    }
}

/// Maps of features: `[count, height, width, channels]`.
public struct FeatureMaps: Sendable {
    /// The number of maps.
    public let count: Int
    /// Rows of pixels.
    public let height: Int
    /// Pixels in a row.
    public let width: Int
    /// Numbers in a pixel.
    public let channels: Int
    /// How far apart pixels are, in numbers.
    let pixelStride: Int
    /// `[count * height * width, channels]`; pixels of less than 16 channels may lie in one row without gaps.
    public let pixels: FloatMatrix

    /// Maps whose content is anything, in memory of a pool or of their own.
    public init(count: Int = 1, height: Int, width: Int, channels: Int, pool: MatrixPool? = nil) {
        self.init(
            count: count, height: height, width: width,
            pixels: FloatMatrix(rows: count * height * width, columns: channels, pool: pool))
    }

    /// Maps of given pixels.
    public init(count: Int, height: Int, width: Int, pixels: FloatMatrix) {
        precondition(pixels.rows == count * height * width)
        self.count = count
        self.height = height
        self.width = width
        channels = pixels.columns
        pixelStride = pixels.stride
        self.pixels = pixels
    }

    /// One map from planes `[channels, height, width]`.
    public init(planes: [Float], height: Int, width: Int, channels: Int) {
        precondition(planes.count == height * width * channels)
        count = 1
        self.height = height
        self.width = width
        self.channels = channels
        pixelStride = channels
        pixels = FloatMatrix(rows: 1, columns: planes.count)
        planes.withUnsafeBufferPointer {
            pvit_interleave($0.baseAddress, channels, height * width, pixels.start)
        }
    }

    /// The extent of what a kernel gives.
    public func outputSize(kernel: Int, step: Int, padding: Int) -> (height: Int, width: Int) {
        func extent(_ side: Int) -> Int { max((side + 2 * padding - kernel) / step + 1, 0) }
        return (extent(height), extent(width))
    }

    /// The numbers of one pixel.
    public func pixel(map: Int = 0, row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        pixels.start + ((map * height + row) * width + column) * pixelStride
    }
}
