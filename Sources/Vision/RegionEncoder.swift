import Architectures
import Compute
import Container
import Storage

/// The image encoder of RegionCLIP (arXiv 2112.09106): CLIP's modified ResNet. Its last stage and its attention pool
/// get crops of the feature map instead of the whole map.
package final class RegionEncoder {
    /// The sizes to which images are scaled.
    package let configuration: RegionEncoderConfiguration
    /// The length of a region's feature vector: 640.
    package var featureCount: Int { weights.pool.output.weight.rows }
    let weights: RegionEncoderWeights
    let engine: ComputeEngine
    let align: ROIAlign
    /// Feature maps of earlier stages, reused by later ones. Empty between calls.
    private let memory = MatrixPool()

    /// The number of regions in a batch of the last stage. Each needs less than 10 MB.
    private static let regionsAtOnce = 8

    /// Opens the encoder in a container. Weights are read when they are used.
    ///
    /// - Throws: `vision.config`, `tensor.not-found`, `tensor.mismatch`.
    package init(in container: Container, engine: ComputeEngine) throws {
        configuration = try RegionEncoderConfiguration(in: container)
        weights = try RegionEncoderWeights(in: container)
        // Layer 4 halves the sides of its input.
        align = ROIAlign(resolution: weights.gridSize * 2, spatialScale: 1 / 16)
        self.engine = engine
    }

    /// The encoding of an image, from which the features of any number of regions can be computed.
    package struct ImageFeatures: Sendable {
        /// The output of layer 3: `[1, height / 16, width / 16, 16 * width]`, sides rounded down at each stage.
        package let map: FeatureMaps
        /// The size of the encoded image. Boxes are in pixels of this size.
        package let size: PixelSize
    }

    /// The number of channels of an encoded image.
    ///
    /// - Throws: `tensor.not-found`, `tensor.mismatch`.
    package static func channelCount(in container: Container) throws -> Int {
        try 16 * RegionEncoderWeights.architecture(in: container).width
    }

    /// Encodes an image up to layer 3.
    ///
    /// - Parameters:
    ///   - planes: Normalized pixels `[3, height, width]`.
    ///   - betweenLayers: Called after each block of layers. What it throws ends the computation.
    /// - Throws: `vision.input` if the number of pixels is wrong or a side is not 32 to 4096 pixels long; the errors of
    ///   reading tiles.
    package func encode(
        planes: [Float], height: Int, width: Int, betweenLayers: () throws -> Void = {}
    ) throws -> ImageFeatures {
        let sides = RegionEncoderConfiguration.smallestSide...RegionEncoderConfiguration.largestSide
        guard sides ~= height, sides ~= width, planes.count == 3 * height * width
        else {
            throw PVITError(
                .visionInput, "\(planes.count) numbers are no image of 3 × \(height) × \(width) for the region encoder")
        }
        defer { memory.drain() }
        var x = try stem(
            FeatureMaps(planes: planes, height: height, width: width, channels: 3), betweenLayers: betweenLayers)
        for stage in weights.stages.dropLast() { x = try run(stage, x, betweenLayers: betweenLayers) }
        // The memory of x may be larger than x.
        let map = FeatureMaps(height: x.height, width: x.width, channels: x.channels)
        for row in 0..<map.pixels.rows { map.pixels.row(row).update(from: x.pixels.row(row), count: x.channels) }
        return ImageFeatures(map: map, size: PixelSize(width: width, height: height))
    }

    /// The features of regions of an encoded image: `[boxes, featureCount]`.
    ///
    /// - Parameters:
    ///   - boxes: In pixels of the encoded image.
    ///   - betweenLayers: Called after each batch of regions. What it throws ends the computation.
    /// - Throws: `vision.input` for a box that is not finite; the errors of reading tiles.
    package func features(
        of image: ImageFeatures, boxes: [RegionBox], betweenLayers: () throws -> Void = {}
    ) throws -> Matrix {
        defer { memory.drain() }
        let result = Matrix(rows: boxes.count, columns: featureCount)
        for start in stride(from: 0, to: boxes.count, by: Self.regionsAtOnce) {
            let batch = start..<min(start + Self.regionsAtOnce, boxes.count)
            let crops = try align.crops(of: image.map, Array(boxes[batch]), engine: engine)
            try pool(lastStage(crops, betweenLayers: betweenLayers), into: result.slice(batch))
            try betweenLayers()
        }
        return result
    }

    /// Layer 4: `[regions, 18, 18, 16 * width]` → `[regions, 9, 9, 32 * width]`.
    func lastStage(_ crops: FeatureMaps, betweenLayers: () throws -> Void = {}) throws -> FeatureMaps {
        try run(weights.stages[3], crops, betweenLayers: betweenLayers)
    }

    /// Three convolutions, of which the first halves the sides, and a pooling that halves them again.
    func stem(_ image: FeatureMaps, betweenLayers: () throws -> Void = {}) throws -> FeatureMaps {
        var x = try convolve(image, weights.stem[0], stride: 2, activation: .relu)
        for convolution in weights.stem.dropFirst() {
            try betweenLayers()
            x = try convolve(x, convolution, activation: .relu)
        }
        try betweenLayers()
        return try engine.averagePool(x, pool: memory)
    }

    func run(
        _ stage: [RegionEncoderWeights.Bottleneck], _ input: FeatureMaps, betweenLayers: () throws -> Void = {}
    ) throws -> FeatureMaps {
        try stage.reduce(input) { x, block in
            let result = try bottleneck(block, x)
            try betweenLayers()
            return result
        }
    }

    /// relu(expand(pool(relu(spatial(relu(reduce(x)))))) + shortcut(pool(x))).
    private func bottleneck(_ block: RegionEncoderWeights.Bottleneck, _ x: FeatureMaps) throws -> FeatureMaps {
        var inner = try convolve(x, block.reduce, activation: .relu)
        inner = try convolve(inner, block.spatial, activation: .relu)
        if block.pools { inner = try engine.averagePool(inner, pool: memory) }
        var identity = block.pools ? try engine.averagePool(x, pool: memory) : x
        if let shortcut = block.shortcut { identity = try convolve(identity, shortcut) }
        // The sum overwrites the identity, which is not needed any more.
        return try convolve(inner, block.expand, addedTo: identity.pixels, activation: .relu, into: identity)
    }

    /// activation(scale * conv(x) + shift + residual), with the kernel's padding that keeps the extent at a step of 1.
    private func convolve(
        _ x: FeatureMaps, _ convolution: RegionEncoderWeights.Convolution, stride: Int = 1,
        addedTo residual: Matrix? = nil, activation: Epilogue.Activation = .none, into output: FeatureMaps? = nil
    ) throws -> FeatureMaps {
        let padding = convolution.side / 2
        let (height, width) = x.outputSize(kernel: convolution.side, stride: stride, padding: padding)
        let result =
            output
            ?? FeatureMaps(
                count: x.count, height: height, width: width, channels: convolution.kernels.rows, pool: memory)
        try engine.multiply(
            Im2Col(x, kernel: convolution.side, stride: stride, padding: padding), convolution.kernels,
            Epilogue(
                scale: convolution.scale, shift: convolution.shift, residual: residual, activation: activation),
            into: result.pixels)
        return result
    }

    /// CLIP's attention pool: `[regions, 9, 9, channels]` → `[regions, 640]`. The query is the mean feature; keys and
    /// values are the mean and all pixels.
    private func pool(_ x: FeatureMaps, into result: Matrix) throws {
        let pool = weights.pool
        let pixels = x.height * x.width
        guard 1 + pixels == pool.positions.rows else {
            throw PVITError(.internalDefect, "the attention pool was given \(pixels) pixels")
        }
        let tokens = Matrix(rows: x.count * (1 + pixels), columns: x.channels)
        let means = Matrix(rows: x.count, columns: x.channels)
        let average = [Float](repeating: 1 / Float(pixels), count: pixels)
        for region in 0..<x.count {
            let (first, mean) = (region * (1 + pixels), means.row(region))
            engine.weightedSum(
                (0..<pixels).map { UnsafePointer(x.pixels.row(region * pixels + $0)) }, average, count: x.channels,
                into: mean)
            for token in 0...pixels {
                engine.weightedSum(
                    [
                        UnsafePointer(token == 0 ? mean : x.pixels.row(region * pixels + token - 1)),
                        UnsafePointer(pool.positions.row(token)),
                    ], [1, 1], count: x.channels, into: tokens.row(first + token))
            }
            means.row(region).update(from: tokens.row(first), count: x.channels)
        }
        let query = Matrix(rows: x.count, columns: x.channels)
        try engine.multiply(Im2Col(means), pool.query.weight, Epilogue(shift: pool.query.bias), into: query)
        let attended = Matrix(rows: x.count, columns: x.channels)
        // Heads are 64 wide in every CLIP ResNet.
        try engine.attend(
            query: query, tokens: tokens, key: pool.key, value: pool.value.weight, bias: pool.value.bias,
            heads: x.channels / 64, into: attended)
        try engine.multiply(Im2Col(attended), pool.output.weight, Epilogue(shift: pool.output.bias), into: result)
    }
}
