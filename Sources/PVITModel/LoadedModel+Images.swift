import Compute
import LanguageModel
import Storage
import SystemPackage
import Vision

extension LoadedModel {
    /// Decodes an image and scales it for the model, row by row. The whole image is in memory only if its format
    /// requires that.
    ///
    /// - Parameters:
    ///   - path: The image file.
    ///   - forRegions: Whether the prompts about it may have regions.
    /// - Throws: `model.no-vision`; `image.memory` if decoding takes more memory than the plan leaves for it; the other
    ///   errors of `image.*`; `file.not-found`, `file.unreadable`.
    package func image(contentsOf path: FilePath, forRegions: Bool = true) throws -> PreparedImage {
        _ = try prompts.requireImages()
        return try prompts.image(ImageFile(path: path), forRegions: forRegions)
    }

    /// The decoder's input for the positions of a prompt from `start` on. Encodes the image and its regions if needed.
    ///
    /// - Throws: `model.no-vision`, `image.*` and errors of the container's tiles.
    package func input(
        for prompt: ModelPrompt, from start: Int = 0
    ) throws -> (input: LlamaInput, timings: VisionTimings) {
        var timings = VisionTimings()
        let tokens = Array(prompt.tokens[start...])
        var patches: [(position: Int, number: Int)] = []
        var regions: [(position: Int, region: RegionLocation)] = []
        for (index, position) in prompt.positions[start...].enumerated() {
            switch position {
            case .token: continue
            case .patch(let number, _): patches.append((index, number))
            case .region(let region, _): regions.append((index, region))
            }
        }
        guard let image = prompt.image, !patches.isEmpty || !regions.isEmpty else { return (.tokens(tokens), timings) }
        let vision = try requireVision()
        var features: [(position: Int, row: Int, matrix: Matrix)] = []
        if !patches.isEmpty {
            let matrix = try vision.patchEmbeddings(of: image, &timings)
            features += patches.map { ($0.position, $0.number, matrix) }
        }
        if !regions.isEmpty {
            let matrices = try vision.regionEmbeddings(regions.map(\.region), of: image, &timings)
            features += zip(regions, matrices).map { ($0.position, 0, $1) }
        }
        return (.embeddings(try llama.embeddings(of: tokens, replacing: features)), timings)
    }

    /// The image encoders.
    ///
    /// - Throws: `model.no-vision` if there are none.
    package func requireVision() throws -> PVITVision {
        guard let vision else {
            _ = try prompts.requireImages()
            throw PVITError(.internalDefect, "the image encoders are missing")
        }
        return vision
    }
}
