/// How a container holds the kernels of a convolution in 8 bits (`formats/pvq.md`, section 5): with the channels last,
/// padded with zeros to whole blocks. So each pixel's activations are quantized once for all windows that cover it.
package enum QuantizedKernels {
    /// The channels that share a scale.
    private static let block = 32

    /// The shape `[outputs, height, width, padded channels]` of kernels `[outputs, channels, height, width]`; nil if
    /// padding would make them more than a quarter larger, or for another rank.
    package static func shape(of kernels: [Int]) -> [Int]? {
        guard kernels.count == 4, kernels[1] > 0 else { return nil }
        let padded = (kernels[1] + block - 1) / block * block
        return 4 * padded <= 5 * kernels[1] ? [kernels[0], kernels[2], kernels[3], padded] : nil
    }
}
