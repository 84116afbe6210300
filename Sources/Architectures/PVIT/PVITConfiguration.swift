import Storage

/// The settings in a PVIT model's `config.json` that concern images and regions.
package struct PVITConfiguration {
    /// The length of the vision tower's features.
    package let imageFeatureWidth: Int
    /// Whether the embedding of a region includes its box.
    package let usesBoxes: Bool

    /// Whether this `config.json` describes a PVIT model.
    package static func isPVIT(_ config: JSONObject) -> Bool { config["model_type"]?.string == "llava" }

    /// Reads a configuration.
    ///
    /// - Throws: `model.config` if the model handles images differently from the published PVIT models.
    package init(parsing config: JSONObject) throws {
        func unsupported(_ what: String) -> PVITError {
            PVITError(.modelConfig, "the model handles images in a way that is not supported: \(what)")
        }
        guard config["mm_use_im_start_end"]?.bool == true else { throw unsupported("mm_use_im_start_end is not true") }
        guard config["mm_vision_select_layer"]?.integer ?? -2 == -2 else {
            throw unsupported("mm_vision_select_layer is not -2")
        }
        for other in ["mm_use_prompt_encoder", "mm_use_prompt_token"] where config[other]?.bool == true {
            throw unsupported("\(other) is true")
        }
        guard let width = config["mm_hidden_size"]?.integer, (1...65_536).contains(width) else {
            throw PVITError(.modelConfig, "mm_hidden_size in config.json is not a whole number from 1 to 65536")
        }
        imageFeatureWidth = width
        usesBoxes = config["mm_use_bbox_fc"]?.bool ?? false
    }
}
