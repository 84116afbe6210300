import Architectures
import Compute
import Container
import LanguageModel
import Platform
import Storage
import Vision

/// The image encoders of a PVIT model. They turn an image and its regions into embeddings for the decoder.
///
/// The image goes through CLIP's vision tower and `mm_projector`. A region goes through RegionCLIP's encoder and
/// `prompt_projector`; `bbox_fc` of its box is added (PVIT, arXiv 2308.13437, section 3.2).
package final class PVITVision {
    /// What prompts about images need to know.
    package let inputs: ImageInputs
    /// Called between the layers of the towers, where the engine is free for other computations. What it throws ends
    /// the encoding.
    var betweenLayers: () throws -> Void = {}

    private let container: Container
    private let engine: ComputeEngine
    private let imageProjection: LinearLayer
    private let regionProjection: LinearLayer?
    private let boxProjection: LinearLayer?
    /// The images encoded last, the latest at the end.
    private var recent: [ImageEncoding] = []

    /// The number of images whose encoding is kept for further requests. RN50x4's features of an image take 20 to 30
    /// MB.
    private static let recentCount = 2
    /// The memory limit for the embeddings of a prompt's regions, in all steps of their computation.
    private static let regionByteCount = 128 << 20

    /// Opens the projections and checks the configurations. The towers stay in the file until they are used. nil if the
    /// container has no vision tower.
    ///
    /// - Throws: `model.config`, `vision.config`, `tensor.not-found` and `tensor.mismatch`.
    init?(_ config: JSONObject, hiddenSize: Int, in container: Container, engine: ComputeEngine) throws {
        let metadata = try container.metadata
        guard metadata[CLIPVisionConfiguration.metadataKey] != nil else { return nil }
        let configuration = try PVITConfiguration(parsing: config)
        let clip = try CLIPVisionConfiguration(in: container)
        guard clip.hiddenSize == configuration.imageFeatureWidth else {
            throw PVITError(
                .modelConfig,
                "the vision tower makes features of length \(clip.hiddenSize), but the model expects "
                    + "\(configuration.imageFeatureWidth)")
        }
        let encoder = metadata[RegionEncoderConfiguration.metadataKey]
        let regions = try encoder.map { _ in try RegionEncoderConfiguration(in: container) }
        let projections = PVITArchitecture(
            configuration, hiddenSize: hiddenSize,
            regionFeatureWidth: try encoder.map { try RegionEncoderConfiguration.featureWidth(in: $0.object ?? [:]) })
        func layer(_ tensors: WeightAndBias) throws -> LinearLayer {
            try LinearLayer(
                weight: tensors.weight.name, bias: tensors.bias.name, inputs: tensors.weight.shape[1],
                outputs: hiddenSize, in: container)
        }
        imageProjection = try layer(projections.image)
        regionProjection = try projections.region.map(layer)
        boxProjection = try projections.box.map(layer)
        // Features, projected features, embeddings of the boxes, their sum, and the decoder's input.
        let numberCount = (regionProjection?.inputs ?? 0) * 2 + hiddenSize * 4
        inputs = ImageInputs(
            patchCount: clip.patchCount, preparation: ImagePreparation(clip, regions: regions),
            maximumRegionCount: Self.regionByteCount / (numberCount * MemoryLayout<Float>.size),
            container: container.path)
        self.container = container
        self.engine = engine
    }

    /// The peak memory of encoding an image, without the towers' weights, which stay in the file. Measured with the
    /// published towers and images of the largest size, 800 × 1333 pixels.
    static func peakByteCount(in container: Container) throws -> Int {
        let metadata = try container.metadata
        guard metadata[CLIPVisionConfiguration.metadataKey] != nil else { return 0 }
        return metadata[RegionEncoderConfiguration.metadataKey] == nil ? 48 << 20 : 352 << 20
    }

    /// The embeddings of an image's patches: `[patchCount, hiddenSize]`.
    ///
    /// - Throws: `image.*` and errors of the container's tiles.
    func patchEmbeddings(of image: PreparedImage, _ timings: inout VisionTimings) throws -> Matrix {
        let encoding = encoding(image.digest)
        if let patches = encoding.patches { return patches }
        let start = MonotonicTime.now
        defer { timings.image += MonotonicTime.now - start }
        let patches = try encode(image, &timings).embeddings
        encoding.patches = patches
        return patches
    }

    /// Runs the vision tower on an image.
    ///
    /// - Returns: The tower's features `[patchCount, imageFeatureWidth]`, and their projections, which the decoder
    ///   reads: `[patchCount, hiddenSize]`.
    /// - Throws: `image.*` and errors of the container's tiles.
    package func encode(_ image: PreparedImage) throws -> (features: Matrix, embeddings: Matrix) {
        var timings = VisionTimings()
        return try encode(image, &timings)
    }

    private func encode(
        _ image: PreparedImage, _ timings: inout VisionTimings
    ) throws -> (features: Matrix, embeddings: Matrix) {
        // The tower and its memory are released afterwards.
        defer { engine.releaseScratch() }
        let tower = try CLIPVisionTower(in: container, engine: engine)
        let features = try tower.features(ofSquare: image.square, betweenLayers: betweenLayers)
        let projecting = MonotonicTime.now
        defer { timings.imageProjection += MonotonicTime.now - projecting }
        return (features, try imageProjection(features, engine))
    }

    /// The embeddings of regions of an image: `[1, hiddenSize]` each.
    ///
    /// - Throws: `model.no-vision` if there is no region encoder, `image.*`, `vision.input` for an image much longer
    ///   than wide, and errors of the container's tiles.
    func regionEmbeddings(
        _ regions: [RegionLocation], of image: PreparedImage, _ timings: inout VisionTimings
    ) throws -> [Matrix] {
        let encoding = encoding(image.digest)
        // Drop the regions of earlier requests, or their number would grow without limit.
        encoding.regions = encoding.regions.filter { regions.contains($0.key) }
        let new = Set(regions).filter { encoding.regions[$0] == nil }.sorted { "\($0)" < "\($1)" }
        if !new.isEmpty {
            let start = MonotonicTime.now
            defer { timings.regions += MonotonicTime.now - start }
            try encode(new, of: image, encoding, &timings)
        }
        return regions.compactMap { encoding.regions[$0] }
    }

    private func encode(
        _ regions: [RegionLocation], of image: PreparedImage, _ encoding: ImageEncoding, _ timings: inout VisionTimings
    ) throws {
        let embeddings = try encode(regions, of: image, &encoding.features, &timings).embeddings
        for (row, region) in regions.enumerated() {
            let embedding = Matrix(rows: 1, columns: embeddings.columns)
            embeddings.withRow(row) { embedding.fill(row: 0, with: $0) }
            encoding.regions[region] = embedding
        }
    }

    /// Runs the region encoder on regions of an image.
    ///
    /// - Returns: The encoder's features `[regions, regionFeatureWidth]`, and what the decoder reads of them: their
    ///   projections with the embeddings of the boxes added, `[regions, hiddenSize]`.
    /// - Throws: As `regionEmbeddings`.
    package func encode(
        _ regions: [RegionLocation], of image: PreparedImage
    ) throws -> (features: Matrix, embeddings: Matrix) {
        var (features, timings) = (RegionEncoder.ImageFeatures?.none, VisionTimings())
        return try encode(regions, of: image, &features, &timings)
    }

    private func encode(
        _ regions: [RegionLocation], of image: PreparedImage, _ imageFeatures: inout RegionEncoder.ImageFeatures?,
        _ timings: inout VisionTimings
    ) throws -> (features: Matrix, embeddings: Matrix) {
        try inputs.checkRegions(count: regions.count, of: image)
        guard let regionProjection, let scaled = image.scaled else {
            throw PVITError(.modelNoVision, "the image was not prepared for regions")
        }
        // The encoder and its memory are released afterwards.
        defer { engine.releaseScratch() }
        let encoder = try RegionEncoder(in: container, engine: engine)
        // Features that were read from a file may claim another size.
        let known = imageFeatures.flatMap { $0.size == scaled.size ? $0 : nil }
        let whole = try known ?? encoder.encode(scaled: scaled, betweenLayers: betweenLayers)
        imageFeatures = whole
        let geometries = regions.map { RegionGeometry($0, size: image.size, scaledSize: whole.size) }
        let features = try encoder.features(of: whole, boxes: geometries.map(\.box), betweenLayers: betweenLayers)
        let projecting = MonotonicTime.now
        defer { timings.regionProjection += MonotonicTime.now - projecting }
        let embeddings = try regionProjection(features, engine)
        if let boxProjection {
            let fractions = Matrix(rows: geometries.count, columns: 4)
            for (row, geometry) in geometries.enumerated() { fractions.fill(row: row, with: geometry.fractions.span) }
            try engine.add(boxProjection(fractions, engine), to: embeddings)
        }
        return (features, embeddings)
    }

    /// The region encoder's features of an image that was encoded before.
    func features(of digest: ImageDigest) -> RegionEncoder.ImageFeatures? {
        recent.first { $0.digest == digest }?.features
    }

    /// Keeps the region encoder's features of an image, as if the image had been encoded.
    func remember(_ features: RegionEncoder.ImageFeatures, of digest: ImageDigest) {
        encoding(digest).features = features
    }

    /// The encoding of an image. Evicts the least recently used one.
    private func encoding(_ digest: ImageDigest) -> ImageEncoding {
        let encoding: ImageEncoding
        if let index = recent.firstIndex(where: { $0.digest == digest }) {
            encoding = recent.remove(at: index)
        } else {
            encoding = ImageEncoding(digest)
        }
        recent = recent.suffix(Self.recentCount - 1) + [encoding]
        return encoding
    }
}
