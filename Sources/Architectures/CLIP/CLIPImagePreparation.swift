import Storage

/// How an image becomes the input of a CLIP vision transformer, as its `preprocessor_config.json` on Hugging Face says.
///
/// The image is always resampled straight to the tower's square, without cropping: PVIT was trained with images
/// squeezed in this way, as LLaVA was. `do_center_crop` is therefore ignored.
package struct CLIPImagePreparation: Sendable, Equatable {
    /// The key of the file in a container's metadata.
    package static let metadataKey = "vision_tower.preprocessor"
    /// The preparation that CLIP and PVIT were trained with.
    package static let clip = CLIPImagePreparation(filter: .bicubic, statistics: .clip)

    /// How the image is resampled.
    package let filter: ResamplingFilter
    /// The statistics that samples are normalized by.
    package let statistics: ChannelStatistics

    private init(filter: ResamplingFilter, statistics: ChannelStatistics) {
        self.filter = filter
        self.statistics = statistics
    }

    /// Reads a `preprocessor_config.json`. Absent members have CLIP's values.
    ///
    /// - Parameter imageSize: The side of the tower's square, in pixels.
    /// - Throws: `vision.config` naming a malformed member; `vision.unsupported` if the file describes a preparation
    ///   that is not implemented, or images of another size than the tower's.
    package init(parsing json: JSONObject, imageSize: Int) throws {
        let reader = ConfigurationReader(vision: json, name: Self.metadataKey)
        for key in ["do_resize", "do_rescale"] where json[key]?.bool == false {
            throw Self.unsupported("\(key) is false")
        }
        for key in ["size", "crop_size"] {
            for side in try Self.sides(json[key], key, reader) where side != imageSize {
                throw Self.unsupported("\(key) is \(side), but the vision tower takes \(imageSize)")
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

    /// The sides in a size, which is a number, or an object with one edge or both.
    private static func sides(_ value: JSONValue?, _ key: String, _ reader: ConfigurationReader) throws -> [Int] {
        guard let value, value != .null else { return [] }
        if let number = value.integer { return [number] }
        let sides = ["shortest_edge", "height", "width"].compactMap { value[$0]?.integer }
        guard !sides.isEmpty else {
            throw reader.invalid("\(key) is neither a number nor an object with shortest_edge, or height and width")
        }
        return sides
    }

    private static func channels(
        _ key: String, _ json: JSONObject, _ reader: ConfigurationReader, above limit: Double
    ) throws -> SIMD3<Float>? {
        guard let value = json[key], value != .null else { return nil }
        let numbers = value.array?.compactMap(\.double) ?? []
        guard numbers.count == 3, value.array?.count == 3, numbers.allSatisfy({ $0 > limit && $0 < 256 }) else {
            throw reader.invalid("\(key) is not a list of three numbers above \(Int(limit))")
        }
        return SIMD3(Float(numbers[0]), Float(numbers[1]), Float(numbers[2]))
    }

    private static func unsupported(_ what: String) -> PVITError {
        PVITError(
            .visionUnsupported, "the preprocessor_config.json prepares images in a way that is not supported: \(what)",
            remedy: "use the preprocessor_config.json of openai/clip-vit-large-patch14, which PVIT was trained with")
    }
}
