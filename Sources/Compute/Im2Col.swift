import CKernels

/// The left side of a packed product: the rows of a matrix, or the windows of feature maps that a convolution's kernel
/// covers, one in each row (im2col). Windows are gathered as they are needed and never stored as a whole.
package struct Im2Col: Sendable {
    /// The number of windows.
    package let rows: Int
    /// The numbers in a window: `[height, width, channels]`.
    package let columns: Int
    let maps: FeatureMaps
    private let kernel: Int
    private let stride: Int
    private let padding: Int
    private let outputSize: (height: Int, width: Int)

    /// The rows of a matrix.
    package init(_ matrix: Matrix) {
        self.init(
            FeatureMaps(count: 1, height: 1, width: matrix.rows, pixels: matrix), kernel: 1, stride: 1, padding: 0)
    }

    /// The windows that a square kernel covers.
    ///
    /// - Parameters:
    ///   - kernel: The side of the kernel, in pixels.
    ///   - stride: The distance between neighbouring windows, in pixels.
    ///   - padding: The zeros around each map, in pixels.
    package init(_ maps: FeatureMaps, kernel: Int, stride: Int, padding: Int) {
        self.maps = maps
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        outputSize = maps.outputSize(kernel: kernel, stride: stride, padding: padding)
        rows = maps.count * outputSize.height * outputSize.width
        columns = kernel * kernel * maps.channels
    }

    /// Copies columns of some rows into a panel: `[rows, PVIT_PANEL_STRIDE]`.
    func gather(_ rows: Range<Int>, columns: Range<Int>, into panel: UnsafeMutablePointer<Float>) {
        var layout = layout(channels: maps.channels)
        pvit_im2col_gather(&layout, rows.lowerBound, rows.count, columns.lowerBound, columns.count, panel)
    }

    /// The pixels that a window covers.
    var kernelArea: Int { kernel * kernel }
    /// Whether the windows are the pixels themselves, in their order.
    var isPointwise: Bool { kernel == 1 && stride == 1 && padding == 0 }

    /// Packs some windows of quantized pixels: `[rows, kernelArea * channels]`.
    ///
    /// - Parameters:
    ///   - pixels: `[pixels of all maps, channels]`.
    ///   - channels: Those of the maps, rounded up to a multiple of 32.
    func pack(
        _ rows: Range<Int>, of pixels: pvit_wide_activations, channels: Int, _ kernels: pvit_kernels,
        into packed: UnsafeMutableRawPointer
    ) {
        var layout = layout(channels: channels)
        pvit_im2col_pack_wide(
            &layout, pixels, rows.lowerBound, rows.count, kernels.pack_wide_activations, packed)
    }

    private func layout(channels: Int) -> pvit_im2col {
        pvit_im2col(
            pixels: UnsafePointer(maps.pixels.start), height: maps.height, width: maps.width, channels: channels,
            pixel_stride: maps.pixelStride, kernel_height: kernel, kernel_width: kernel, stride: stride,
            padding: padding, output_height: outputSize.height, output_width: outputSize.width)
    }
}
