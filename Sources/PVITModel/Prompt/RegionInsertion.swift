import Storage
import Vision

/// Replaces the names of regions in the texts of one request.
package struct RegionInsertion {
    private let regions: [NamedRegion]
    private let image: PreparedImage?
    private var used: Set<String> = []

    /// - Parameter image: The image that has the regions; nil if there is none.
    package init(_ regions: [NamedRegion], of image: PreparedImage?) {
        self.regions = regions
        self.image = image
    }

    /// A text with the regions in place of their names.
    ///
    /// - Throws: `prompt.region` for a region that reaches beyond the image.
    package mutating func insert(into text: String) throws -> String {
        guard let image, !regions.isEmpty else { return text }
        let (result, unused) = try NamedRegion.insert(
            regions, into: text, size: image.size, orientation: image.orientation)
        used.formUnion(Set(regions.map(\.name)).subtracting(unused))
        return result
    }

    /// Messages with the regions in place of their names. Only users mention regions: answers and instructions are
    /// texts of their own.
    ///
    /// - Throws: `prompt.region`.
    package mutating func insert(into messages: [ChatMessage]) throws -> [ChatMessage] {
        var result = messages
        for index in result.indices where result[index].role == .user {
            result[index].content = try insert(into: result[index].content)
        }
        return result
    }

    /// Checks that the texts mention every region.
    ///
    /// - Throws: `prompt.region`.
    package func finish() throws {
        guard let name = regions.map(\.name).first(where: { !used.contains($0) }) else { return }
        throw PVITError(
            .promptRegion,
            image == nil ? "there is a region \(name), but no image" : "the prompt does not mention the region \(name)",
            remedy: image == nil ? "give the image" : "write {\(name)} in the prompt")
    }
}
