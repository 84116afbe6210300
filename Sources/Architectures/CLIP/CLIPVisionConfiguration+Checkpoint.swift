import Storage

extension CLIPVisionConfiguration {
    /// What `config.json` calls the vision model.
    package static let modelType = "clip_vision_model"

    /// The defaults of `transformers.CLIPVisionConfig`, which its files may leave out.
    private static let defaults: JSONObject = [
        "model_type": .string(modelType), "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    ]

    /// The vision model's members of a checkpoint's `config.json`, with the defaults of `transformers` written out.
    ///
    /// - Parameter file: The configuration of a whole CLIP, with the member `vision_config`, or of its vision model.
    /// - Throws: `tower.config` if the file describes another model.
    package static func members(ofCheckpoint file: JSONObject) throws -> JSONObject {
        var members = file["vision_config"]?.object ?? file
        guard file["vision_config"]?.object != nil || members["model_type"]?.string == modelType else {
            let type = members["model_type"]?.string.map { " but of a \"\($0)\" model" } ?? ""
            throw PVITError(
                .towerConfig, "this is not the configuration of a CLIP\(type)",
                remedy: "give the folder of a CLIP, such as openai/clip-vit-large-patch14")
        }
        for member in defaults.members where members[member.key] == nil { members[member.key] = member.value }
        return members
    }

    /// Reads the members of a checkpoint's configuration.
    ///
    /// - Throws: `tower.config` naming the member that is out of range, `vision.unsupported`.
    package init(ofCheckpoint members: JSONObject) throws {
        try self.init(ConfigurationReader(tower: members), preprocessor: nil)
    }
}
