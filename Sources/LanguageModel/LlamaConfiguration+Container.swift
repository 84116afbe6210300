import Architectures
import Container
import Storage

extension LlamaConfiguration {
    /// Reads the configuration that travels in a container. An output matrix of its own is used, whatever it says of
    /// that.
    ///
    /// - Throws: What `Container.modelConfig` and `init(parsing:)` throw.
    package init(of container: Container) throws {
        try self.init(parsing: container.modelConfig)
        if let output = try container.tensor(named: TensorKind.outputName), output.aliasOf == nil { tiesOutput = false }
    }
}

extension Container {
    /// The `config.json` of the model.
    ///
    /// - Throws: `model.config` when there is none, and what `metadata` throws.
    package var modelConfig: JSONObject {
        get throws {
            guard let config = try metadata["model.config"]?.object else {
                throw PVITError(.modelConfig, "the file has no model configuration: it holds tensors, but no model")
            }
            return config
        }
    }
}
