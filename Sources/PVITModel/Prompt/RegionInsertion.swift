import Storage
import Vision

extension [NamedRegion] {
    /// A text with these regions in place of their names.
    ///
    /// - Parameter image: The image that has the regions; nil if there is none.
    /// - Throws: `prompt.region` for a region that reaches beyond the image or that the text does not mention.
    package func inserted(into text: String, of image: PreparedImage?) throws -> String {
        try RegionInsertion.complete(self, of: image) { try $0.insert(into: text) }
    }

    /// Messages with these regions in place of their names. Only users mention regions: answers and instructions are
    /// texts of their own.
    ///
    /// - Parameter image: The image that has the regions; nil if there is none.
    /// - Throws: `prompt.region` for a region that reaches beyond the image or that no message mentions.
    package func inserted(into messages: [ChatMessage], of image: PreparedImage?) throws -> [ChatMessage] {
        try RegionInsertion.complete(self, of: image) { insertion in
            var result = messages
            for index in result.indices where result[index].role == .user {
                result[index].content = try insertion.insert(into: result[index].content)
            }
            return result
        }
    }
}

/// Replaces the names of regions in the texts of one request.
private struct RegionInsertion {
    private let regions: [NamedRegion]
    private let image: PreparedImage?
    private var used: Set<String> = []

    private init(_ regions: [NamedRegion], of image: PreparedImage?) {
        self.regions = regions
        self.image = image
    }

    /// Calls `insert` for the texts of a request, and checks that they mention every region.
    static func complete<Texts>(
        _ regions: [NamedRegion], of image: PreparedImage?, _ insert: (inout Self) throws -> Texts
    ) throws -> Texts {
        var insertion = Self(regions, of: image)
        let result = try insert(&insertion)
        try insertion.finish()
        return result
    }

    /// A text with the regions in place of their names.
    ///
    /// - Throws: `prompt.region` for a region that reaches beyond the image.
    mutating func insert(into text: String) throws -> String {
        guard let image, !regions.isEmpty else { return text }
        let (result, unused) = try NamedRegion.insert(
            regions, into: text, size: image.size, orientation: image.orientation)
        used.formUnion(Set(regions.map(\.name)).subtracting(unused))
        return result
    }

    private func finish() throws {
        guard let name = regions.map(\.name).first(where: { !used.contains($0) }) else { return }
        throw PVITError(
            .promptRegion,
            image == nil ? "there is a region \(name), but no image" : "the prompt does not mention the region \(name)",
            remedy: image == nil ? "give the image" : "write {\(name)} in the prompt")
    }
}
