import Storage

/// The sizes of a CLIP vision transformer, from the `vision_config` that Hugging Face publishes with it.
public struct CLIPVisionConfiguration: Sendable, Equatable {
    /// The metadata of a container that holds the configuration.
    public static let metadataKey = "vision_tower.config"

    /// Numbers for each token between layers.
    public let hiddenSize: Int
    /// Numbers inside the feed-forward parts.
    public let intermediateSize: Int
    /// All layers; the last one is not needed for `CLIPVisionTower.features`.
    public let layerCount: Int
    /// Attention heads.
    public let headCount: Int
    /// The side of the square image in pixels.
    public let imageSize: Int
    /// The side of a patch in pixels.
    public let patchSize: Int
    /// Added to the variance in layer norms.
    public let normEpsilon: Float
    /// How images are made the tower's input.
    public let preparation: CLIPImagePreparation

    /// Patches along a side.
    public var gridSize: Int { imageSize / patchSize }
    /// All patches: the image tokens.
    public var patchCount: Int { gridSize * gridSize }

    /// Reads a configuration: the vision part by itself, or a CLIP model's with a member `vision_config`. Sizes that
    /// are absent are those of Hugging Face's `CLIPVisionConfig`.
    ///
    /// - Parameter preprocessor: The `preprocessor_config.json` beside it, if there is one.
    /// - Throws: `vision.config` naming the member at fault; `vision.unsupported` for another activation function or
    ///   another preparation of images.
    public init(parsing json: JSONObject, preprocessor: JSONObject? = nil) throws {
        let reader = ConfigurationReader(vision: json["vision_config"]?.object ?? json, name: Self.metadataKey)
        hiddenSize = try reader.integer("hidden_size", in: 1...65_536, default: 768)
        intermediateSize = try reader.integer("intermediate_size", in: 1...262_144, default: 3072)
        layerCount = try reader.integer("num_hidden_layers", in: 1...1024, default: 12)
        headCount = try reader.integer("num_attention_heads", in: 1...1024, default: 12)
        imageSize = try reader.integer("image_size", in: 1...4096, default: 224)
        patchSize = try reader.integer("patch_size", in: 1...imageSize, default: 32)
        preparation =
            try preprocessor.map { [imageSize] in try CLIPImagePreparation(parsing: $0, imageSize: imageSize) } ?? .clip
        normEpsilon = Float(try reader.number("layer_norm_eps", in: 1e-20...1, default: 1e-5))
        guard hiddenSize % headCount == 0 else {
            throw reader.invalid("hidden_size \(hiddenSize) cannot be divided among \(headCount) heads")
        }
        let activation = try reader.string("hidden_act") ?? "quick_gelu"
        guard activation == "quick_gelu" else {
            throw PVITError(
                .visionUnsupported, "the activation function \"\(activation)\" is not CLIP's \"quick_gelu\"")
        }
    }
}
