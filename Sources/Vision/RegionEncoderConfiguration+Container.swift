import Architectures
import Container

extension RegionEncoderConfiguration {
    /// Reads the configuration in a container's metadata. Without one, the sizes are PVIT's.
    ///
    /// - Throws: `vision.config`.
    package init(in container: Container) throws {
        try self.init(parsing: container.metadata[Self.metadataKey]?.object ?? [:])
    }
}
