import Architectures
import Container
import Tensors

/// What RegionCLIP's image encoder asks of its input. Everything else is read from the shapes of its weights.
public struct RegionEncoderConfiguration: Sendable, Equatable {
    /// The metadata of a container that holds the configuration.
    public static let metadataKey = "region_encoder.config"

    /// What the shorter side of an image is scaled to, in pixels.
    public let shortestEdge: Int
    /// What the longer side is at most, in pixels.
    public let longestEdge: Int

    /// Reads a configuration; sizes that are absent are PVIT's, 800 and 1333.
    ///
    /// - Throws: `vision.config` naming the member at fault.
    public init(parsing json: JSONObject) throws {
        let reader = ConfigurationReader(vision: json, name: Self.metadataKey)
        shortestEdge = try reader.integer("shortest_edge", in: 32...4096, default: 800)
        longestEdge = try reader.integer("longest_edge", in: shortestEdge...4096, default: max(1333, shortestEdge))
    }

    /// Reads the configuration in a container's metadata; PVIT's when there is none.
    ///
    /// - Throws: `vision.config`.
    public init(in container: Container) throws {
        try self.init(parsing: container.metadata[Self.metadataKey]?.object ?? [:])
    }
}
