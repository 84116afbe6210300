import Compute
import LanguageModel
import Storage
import Tensors
import Vision

/// Rows of numbers, such as logits or embeddings.
public struct NumberTable: Sendable, Hashable {
    /// The number of rows.
    public let rowCount: Int
    /// The number of numbers in a row.
    public let columnCount: Int
    /// All numbers, row by row.
    public let values: [Float]

    init(_ matrix: Matrix) {
        rowCount = matrix.rows
        columnCount = matrix.columns
        values = matrix.values()
    }

    init(columnCount: Int, _ values: [Float]) {
        rowCount = values.count / columnCount
        self.columnCount = columnCount
        self.values = values
    }

    /// A row.
    ///
    /// - Parameter row: The index of a row, from 0.
    public subscript(row: Int) -> ArraySlice<Float> { values[row * columnCount..<(row + 1) * columnCount] }
}

/// What an image encoder makes of an image or of regions.
public struct ImageEmbeddings: Sendable, Hashable {
    /// The features of the encoder: a row for each patch or region.
    public let features: NumberTable
    /// Their projections, which the decoder reads in place of tokens.
    public let embeddings: NumberTable

    init(_ result: (features: Matrix, embeddings: Matrix)) {
        features = NumberTable(result.features)
        embeddings = NumberTable(result.embeddings)
    }
}

extension Model {
    /// The logits at every position of a text.
    ///
    /// - Parameters:
    ///   - text: A text without chat template. `<image>` in it stands for the image, and `{name}` for a region.
    ///   - image: The image that it is about.
    ///   - regions: Regions of the image.
    /// - Returns: A row for each position, with a number for each token of the vocabulary.
    /// - Throws: `PVITError`; `CancellationError` if the task was cancelled.
    public func logits(
        of text: String, about image: PreparedImage? = nil, regions: [NamedRegion] = []
    ) async throws -> NumberTable {
        let prompt = try prompts.prompt(ofRaw: regions.inserted(into: text, of: image), image: image)
        return try await thread.run { [contents] in
            try contents.loaded.logits(of: contents.loaded.input(for: prompt).input)
        }
    }

    /// The logits at every position of tokens.
    ///
    /// - Parameter tokens: At least one token id of this model.
    /// - Returns: A row for each position, with a number for each token of the vocabulary.
    /// - Throws: `PVITError`; `CancellationError` if the task was cancelled.
    public func logits(of tokens: [TokenID]) async throws -> NumberTable {
        try prompts.check(tokens)
        return try await thread.run { [contents] in try contents.loaded.logits(of: .tokens(tokens)) }
    }

    /// The features of an image, a row for each patch.
    ///
    /// - Parameter image: An image of this model.
    /// - Throws: `PVITError`; `CancellationError` if the task was cancelled.
    public func embeddings(of image: PreparedImage) async throws -> ImageEmbeddings {
        try await thread.run { [contents] in ImageEmbeddings(try contents.loaded.requireVision().encode(image)) }
    }

    /// The features of regions, a row for each.
    ///
    /// - Parameters:
    ///   - regions: Regions of the image.
    ///   - image: An image of this model.
    /// - Throws: `PVITError`; `CancellationError` if the task was cancelled.
    public func embeddings(of regions: [NamedRegion], in image: PreparedImage) async throws -> ImageEmbeddings {
        let locations = try regions.map { try $0.location(in: image.size, orientation: image.orientation) }
        return try await thread.run { [contents] in
            ImageEmbeddings(try contents.loaded.requireVision().encode(locations, of: image))
        }
    }
}

extension LoadedModel {
    /// The logits at every position, with keys and values in f32.
    fileprivate func logits(of input: LlamaInput) throws -> NumberTable {
        var cache = try KVCache(for: llama.configuration, storage: .f32, capacity: max(input.count, 1))
        var values: [Float] = []
        values.reserveCapacity(input.count * llama.configuration.vocabularySize)
        try llama.forward(input, cache: &cache, logits: .from(0)) { _, logits in
            for index in logits.indices { values.append(logits[index]) }
        }
        return NumberTable(columnCount: llama.configuration.vocabularySize, values)
    }
}
