import Storage

/// The sizes of a CLIP vision transformer, from the `vision_config` of a Hugging Face `config.json`.
package struct CLIPVisionConfiguration: Sendable, Equatable {
    /// The key of the configuration in a container's metadata.
    package static let metadataKey = "vision_tower.config"

    /// The width of the residual stream.
    package let hiddenSize: Int
    /// The width inside the feed-forward network.
    package let intermediateSize: Int
    /// The number of layers, with the last one, which `CLIPVisionTower.features` does not need.
    package let layerCount: Int
    /// The number of attention heads.
    package let headCount: Int
    /// The side of the square image, in pixels.
    package let imageSize: Int
    /// The side of a patch, in pixels.
    package let patchSize: Int
    /// What LayerNorm adds to the variance.
    package let normEpsilon: Float
    /// How images become the tower's input.
    package let preparation: CLIPImagePreparation

    /// The number of patches along a side.
    package var gridSize: Int { imageSize / patchSize }
    /// The number of patches, which is the number of an image's tokens.
    package var patchCount: Int { gridSize * gridSize }

    /// Reads the configuration of a vision model, or of a CLIP with a member `vision_config`. Sizes that are absent are
    /// those of `transformers.CLIPVisionConfig`.
    ///
    /// - Parameter preprocessor: The `preprocessor_config.json` beside it, if there is one.
    /// - Throws: `vision.config` naming the member at fault; `vision.unsupported` for another activation function,
    ///   another preparation of images.
    package init(parsing json: JSONObject, preprocessor: JSONObject? = nil) throws {
        try self.init(
            ConfigurationReader(vision: json["vision_config"]?.object ?? json, name: Self.metadataKey),
            preprocessor: preprocessor)
    }

    init(_ reader: ConfigurationReader, preprocessor: JSONObject?) throws {
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
        let channels = try reader.integer("num_channels", in: 1...1024, default: 3)
        guard channels == 3 else {
            throw reader.invalid("num_channels is \(channels), but only images of 3 channels are supported")
        }
        let activation = try reader.string("hidden_act") ?? "quick_gelu"
        guard activation == "quick_gelu" else {
            throw PVITError(
                .visionUnsupported, "the activation function \"\(activation)\" is not CLIP's \"quick_gelu\"")
        }
    }
}
