import Architectures
import Compute
import Container
import LanguageModel
import Storage
import Vision

/// The eyes of a PVIT model: images and their regions become embeddings that the decoder reads.
///
/// The image goes through CLIP's vision tower and `mm_projector`. A region goes through RegionCLIP's encoder and
/// `prompt_projector`, to which its place is added by `bbox_fc` (PVIT, arXiv 2308.13437, section 3.2).
public final class PVITVision {
    /// How many tokens an image takes.
    public let partCount: Int
    /// Whether there is an encoder for regions.
    public let seesRegions: Bool
    /// What is made of an image before it is looked at.
    public let preparation: ImagePreparation
    /// The most regions of one prompt.
    let maximumRegionCount: Int

    private let container: Container
    private let engine: ComputeEngine
    private let imageProjection: LinearLayer
    private let regionProjection: LinearLayer?
    private let placeProjection: LinearLayer?
    /// What was encoded last, the latest at the end.
    private var remembered: [ImageEncoding] = []

    /// How many images are remembered, so that a question about one of them does not encode it again. An image of
    /// RN50x4 takes 20 to 30 MB.
    private static let memory = 2
    /// What the embeddings of the regions of a prompt may take, in all steps of their computation.
    private static let regionByteCount = 128 << 20

    /// Opens what the configuration asks for; nil when the container has no vision tower. Towers stay in the file until
    /// they are used.
    ///
    /// - Throws: `model.config`, `vision.config`, `tensor.not-found` and `tensor.mismatch`.
    init?(_ config: JSONObject, hidden: Int, in container: Container, engine: ComputeEngine) throws {
        let metadata = try container.metadata
        guard metadata[CLIPVisionConfiguration.metadataKey] != nil else { return nil }
        let configuration = try PVITConfiguration(parsing: config)
        let clip = try CLIPVisionConfiguration(in: container)
        guard clip.hiddenSize == configuration.imageFeatureWidth else {
            throw PVITError(
                .modelConfig,
                "the vision tower gives features of length \(clip.hiddenSize), and the model was made for "
                    + "\(configuration.imageFeatureWidth)")
        }
        partCount = clip.patchCount
        let encoder = metadata[RegionEncoderConfiguration.metadataKey]
        let regions = try encoder.map { _ in try RegionEncoderConfiguration(in: container) }
        let projections = PVITArchitecture(
            configuration, hiddenSize: hidden,
            regionFeatureWidth: try encoder.map { try RegionEncoderConfiguration.featureWidth(in: $0.object ?? [:]) })
        func layer(_ tensors: WeightAndBias) throws -> LinearLayer {
            try LinearLayer(
                weight: tensors.weight.name, bias: tensors.bias.name, inputs: tensors.weight.shape[1], outputs: hidden,
                in: container)
        }
        imageProjection = try layer(projections.image)
        regionProjection = try projections.region.map(layer)
        placeProjection = try projections.box.map(layer)
        seesRegions = regionProjection != nil
        preparation = ImagePreparation(clip, regions: regions)
        // Features, then projected features, embeddings of the places, their sum, and what is given to the decoder.
        let numberCount = (regionProjection?.inputs ?? 0) * 2 + hidden * 4
        maximumRegionCount = Self.regionByteCount / (numberCount * MemoryLayout<Float>.size)
        self.container = container
        self.engine = engine
    }

    /// What encoding an image takes at most, above the towers' weights, which stay in the file. Measured with images of
    /// the largest size, 800 × 1333 pixels, and the published sizes of the towers; narrower ones take less.
    static func peakByteCount(in container: Container) throws -> Int {
        let metadata = try container.metadata
        guard metadata[CLIPVisionConfiguration.metadataKey] != nil else { return 0 }
        return metadata[RegionEncoderConfiguration.metadataKey] == nil ? 48 << 20 : 352 << 20
    }

    /// The embeddings of the patches of an image: `[partCount, hidden]`.
    ///
    /// - Throws: `image.*` and errors of the container's tiles.
    func patches(of image: PreparedImage, _ timings: inout VisionTimings) throws -> Matrix {
        let encoding = encoding(image.digest)
        if let patches = encoding.patches { return patches }
        let clock = ContinuousClock()
        let start = clock.now
        defer { timings.image += clock.now - start }
        // The tower and its memory are released afterwards.
        defer { engine.releaseScratch() }
        let tower = try CLIPVisionTower(in: container, engine: engine)
        let patches = try imageProjection(tower.features(ofSquare: image.square), engine)
        encoding.patches = patches
        return patches
    }

    /// The embeddings of regions of an image: `[1, hidden]` each.
    ///
    /// - Throws: `model.no-vision` when there is no region encoder, `image.*`, `vision.input` for an image much longer
    ///   than wide, and errors of the container's tiles.
    func regions(
        _ regions: [RegionLocation], of image: PreparedImage, _ timings: inout VisionTimings
    ) throws -> [Matrix] {
        let encoding = encoding(image.digest)
        // Regions of earlier questions are forgotten: there is no end to them.
        encoding.regions = encoding.regions.filter { regions.contains($0.key) }
        let new = Set(regions).filter { encoding.regions[$0] == nil }.sorted { "\($0)" < "\($1)" }
        if !new.isEmpty {
            let clock = ContinuousClock()
            let start = clock.now
            defer { timings.regions += clock.now - start }
            try look(at: new, of: image, encoding)
        }
        return regions.compactMap { encoding.regions[$0] }
    }

    /// Throws unless regions of an image can be seen.
    ///
    /// - Throws: `model.no-vision` when there is no region encoder; `vision.input` for an image much longer than wide;
    ///   `prompt.region` when there are too many.
    func checkRegions(count: Int, of image: PreparedImage) throws {
        guard let regions = preparation.regions else {
            throw PVITError(
                .modelNoVision, "the model has no region encoder, so it cannot be asked about regions",
                file: container.path,
                remedy: "quantize it again with --region-encoder, the file of a RegionCLIP")
        }
        _ = try regions.inputSize(of: image.size)
        guard count <= maximumRegionCount else {
            throw PVITError(
                .promptRegion,
                "the prompt has \(count) regions, and there is memory for \(maximumRegionCount) at a time",
                remedy: "ask about fewer regions at a time")
        }
    }

    private func look(at regions: [RegionLocation], of image: PreparedImage, _ encoding: ImageEncoding) throws {
        try checkRegions(count: regions.count, of: image)
        guard let regionProjection, let scaled = image.scaled else {
            throw PVITError(.modelNoVision, "the image was not prepared for questions about regions")
        }
        // The encoder and its memory are released afterwards.
        defer { engine.releaseScratch() }
        let encoder = try RegionEncoder(in: container, engine: engine)
        let features = try encoding.features ?? encoder.encode(scaled: scaled)
        encoding.features = features
        let places = regions.map { RegionGeometry($0, size: image.size, scaledSize: features.size) }
        let embeddings = try regionProjection(encoder.features(of: features, boxes: places.map(\.box)), engine)
        if let placeProjection {
            let fractions = Matrix(rows: places.count, columns: 4)
            for (row, place) in places.enumerated() { fractions.fill(row: row, with: place.fractions.span) }
            try engine.add(placeProjection(fractions, engine), to: embeddings)
        }
        for (row, region) in regions.enumerated() {
            let embedding = Matrix(rows: 1, columns: embeddings.columns)
            embeddings.withRow(row) { embedding.fill(row: 0, with: $0) }
            encoding.regions[region] = embedding
        }
    }

    /// What is known of an image; the one that was not needed for longest is forgotten.
    private func encoding(_ digest: ImageDigest) -> ImageEncoding {
        let encoding: ImageEncoding
        if let place = remembered.firstIndex(where: { $0.digest == digest }) {
            encoding = remembered.remove(at: place)
        } else {
            encoding = ImageEncoding(digest)
        }
        remembered = remembered.suffix(Self.memory - 1) + [encoding]
        return encoding
    }
}

extension PVITError.Code {
    /// The model cannot see images, or not their regions.
    public static let modelNoVision = Self("model.no-vision", .usage)
}
