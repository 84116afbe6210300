import Architectures
import Container
import Storage

extension CLIPVisionConfiguration {
    /// Reads the configuration in a container's metadata.
    ///
    /// - Throws: `vision.config`, also if there is none; `vision.unsupported`.
    package init(in container: Container) throws {
        guard let json = try container.metadata[Self.metadataKey]?.object else {
            throw PVITError(
                .visionConfig, "the model has no \(Self.metadataKey)", file: container.path,
                remedy: "quantize it again with --vision-tower")
        }
        try self.init(parsing: json, preprocessor: container.metadata[CLIPImagePreparation.metadataKey]?.object)
    }
}
