import Architectures
import Container
import Storage

/// What RegionCLIP's image encoder asks of its input. Everything else is read from the shapes of its weights.
public struct RegionEncoderConfiguration: Sendable, Hashable {
    /// The metadata of a container that holds the configuration.
    public static let metadataKey = "region_encoder.config"

    /// What the shorter side of an image is scaled to, in pixels.
    public let shortestEdge: Int
    /// What the longer side is at most, in pixels.
    public let longestEdge: Int

    /// The shortest side that the map of layer 3 has more than a pixel of.
    static let smallestSide = 32

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

    /// The size that an image is scaled to.
    ///
    /// - Throws: `vision.input` for an image so narrow that nothing would be left of its shorter side; the errors of
    ///   `PixelSize.fitting`.
    public func inputSize(of original: PixelSize) throws -> PixelSize {
        let size = try original.fitting(shortestEdge: shortestEdge, longestEdge: longestEdge)
        guard min(size.width, size.height) >= Self.smallestSide else {
            throw PVITError(
                .visionInput,
                "an image of \(original) pixels is too narrow for the region encoder, which would see it as \(size)",
                remedy: "cut the image so that its longer side is at most \(longestEdge / Self.smallestSide) times the "
                    + "shorter")
        }
        return size
    }
}
