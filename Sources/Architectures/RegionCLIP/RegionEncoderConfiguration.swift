import Storage

/// The sizes that images are scaled to for RegionCLIP's image encoder. All other sizes are those of its weights.
package struct RegionEncoderConfiguration: Sendable, Hashable {
    /// The key of the configuration in a container's metadata.
    package static let metadataKey = "region_encoder.config"

    /// The shorter side of a scaled image, in pixels.
    package let shortestEdge: Int
    /// The limit of the longer side, in pixels.
    package let longestEdge: Int

    /// The smallest side for which the map of layer 3 has more than one pixel.
    package static let smallestSide = 32
    /// The largest side.
    package static let largestSide = 4096
    private static let defaultEdges = (shortest: 800, longest: 1333)

    /// Reads a configuration. Sizes that are absent are PVIT's, 800 and 1333.
    ///
    /// - Throws: `vision.config` naming the member at fault.
    package init(parsing json: JSONObject) throws {
        let reader = ConfigurationReader(vision: json, name: Self.metadataKey)
        let (shortest, longest) = Self.defaultEdges
        shortestEdge = try reader.integer("shortest_edge", in: Self.smallestSide...Self.largestSide, default: shortest)
        longestEdge = try reader.integer(
            "longest_edge", in: shortestEdge...Self.largestSide, default: max(longest, shortestEdge))
    }

    /// The metadata that a container gets for an encoder: its sizes, and PVIT's sizes of images.
    package static func metadata(for architecture: RegionCLIPArchitecture) -> JSONObject {
        [
            "model_type": "regionclip_resnet", "width": .integer(architecture.width),
            "blocks": .array(architecture.stages.map { .integer($0.count) }),
            "attention_heads": .integer(architecture.width / 2), "pooling_grid": .integer(architecture.gridSize),
            "output_size": .integer(architecture.featureWidth), "shortest_edge": .integer(defaultEdges.shortest),
            "longest_edge": .integer(defaultEdges.longest),
        ]
    }

    /// The length of the encoder's features, by its metadata.
    ///
    /// - Throws: `model.config`.
    package static func featureWidth(in metadata: JSONObject) throws -> Int {
        guard let width = metadata["output_size"]?.integer, (1...65_536).contains(width) else {
            throw PVITError(.modelConfig, "output_size of the region encoder is not a whole number from 1 to 65536")
        }
        return width
    }
}
