import Storage

/// How an image becomes the input of a CLIP vision transformer, from the `preprocessor_config.json` that Hugging Face
/// publishes with it.
///
/// The image is resampled straight to the tower's square, whatever the file says of cropping: PVIT, and LLaVA before
/// it, trained with images that were squeezed so. `do_center_crop` is therefore read over.
public struct CLIPImagePreparation: Sendable, Equatable {
    /// The metadata of a container that holds the file.
    public static let metadataKey = "vision_tower.preprocessor"
    /// What CLIP itself was trained with, and PVIT.
    public static let clip = CLIPImagePreparation(filter: .bicubic, statistics: .clip)

    /// How the image is resampled.
    public let filter: ResamplingFilter
    /// What samples are normalised by.
    public let statistics: ChannelStatistics

    private init(filter: ResamplingFilter, statistics: ChannelStatistics) {
        self.filter = filter
        self.statistics = statistics
    }

    /// Reads a `preprocessor_config.json`. What it leaves out is CLIP's.
    ///
    /// - Parameter imageSize: The side of the tower's square.
    /// - Throws: `vision.config` naming a member that is malformed; `vision.unsupported` for one that asks for another
    ///   preparation than this program's, or for images of another size than the tower's.
    public init(parsing json: JSONObject, imageSize: Int) throws {
        let reader = ConfigurationReader(vision: json, name: Self.metadataKey)
        for key in ["do_resize", "do_rescale"] where json[key]?.bool == false {
            throw Self.unsupported("\(key) is false")
        }
        for key in ["size", "crop_size"] {
            for side in try Self.sides(json[key], key, reader) where side != imageSize {
                throw Self.unsupported("\(key) is \(side), where the vision tower takes \(imageSize)")
            }
        }
        let factor = try reader.number("rescale_factor", in: 0...1, default: 1 / 255)
        guard abs(factor * 255 - 1) < 1e-5 else { throw Self.unsupported("rescale_factor is \(factor), not 1 / 255") }
        // Pillow's numbers of its filters.
        switch try reader.integer("resample", in: 0...5, default: 3) {
        case 2: filter = .bilinear
        case 3: filter = .bicubic
        case let number: throw Self.unsupported("resample is \(number), neither bicubic (3) nor bilinear (2)")
        }
        guard json["do_normalize"]?.bool != false else {
            statistics = ChannelStatistics(mean: .zero, standardDeviation: .one)
            return
        }
        statistics = ChannelStatistics(
            mean: try Self.channels("image_mean", json, reader, above: -1) ?? ChannelStatistics.clip.mean,
            standardDeviation: try Self.channels("image_std", json, reader, above: 0)
                ?? ChannelStatistics.clip.standardDeviation)
    }

    /// The lengths that a size names: a number, or an object with one edge or with both.
    private static func sides(_ value: JSONValue?, _ key: String, _ reader: ConfigurationReader) throws -> [Int] {
        guard let value, value != .null else { return [] }
        if let number = value.integer { return [number] }
        let sides = ["shortest_edge", "height", "width"].compactMap { value[$0]?.integer }
        guard !sides.isEmpty else {
            throw reader.invalid("\(key) is neither a number nor has it shortest_edge, or height and width")
        }
        return sides
    }

    private static func channels(
        _ key: String, _ json: JSONObject, _ reader: ConfigurationReader, above limit: Double
    ) throws -> SIMD3<Float>? {
        guard let value = json[key], value != .null else { return nil }
        let numbers = value.array?.compactMap(\.double) ?? []
        guard numbers.count == 3, value.array?.count == 3, numbers.allSatisfy({ $0 > limit && $0 < 256 }) else {
            throw reader.invalid("\(key) is not three numbers above \(Int(limit))")
        }
        return SIMD3(Float(numbers[0]), Float(numbers[1]), Float(numbers[2]))
    }

    private static func unsupported(_ what: String) -> PVITError {
        PVITError(
            .visionUnsupported, "images are prepared in a way that is not supported: \(what)",
            remedy: "the preprocessor_config.json of openai/clip-vit-large-patch14 suits PVIT")
    }
}
