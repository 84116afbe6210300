extension TensorName {
    /// Whether tensors of this name occur in checkpoints and are not used: tables of rotary frequencies and angles,
    /// which are computed from the configuration, and the `_extra_state` of modules.
    package var isUnread: Bool {
        let components = rawValue.split(separator: ".")
        if components.contains("_extra_state") { return true }
        guard let last = components.last else { return false }
        return components.dropLast().last == "rotary_emb"
            && ["inv_freq", "original_inv_freq", "cos_cached", "sin_cached"].contains(last)
    }
}
