import ArgumentParser
import Compute
import LanguageModel
import PVITModel
import Storage
import SystemPackage

/// `pvit evaluate features`: writes what the image encoders make of an image, for comparison with other
/// implementations and for programs that search or classify images.
struct EvaluateFeatures: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Write the features of an image or of regions of it as a NumPy file: float32 [rows, width].",
        discussion: """
            Without --region, a row is a patch of the image, and its features are CLIP's. With --region, a row is a \
            region, in the order of the options, and its features are the region encoder's. --embeddings writes what \
            the language model reads in place of tokens: the projections of the features, with the embeddings of the \
            boxes.

            Examples:
              pvit evaluate features pvit.pvq --image dogs.jpg --output patches.npy
              pvit evaluate features pvit.pvq --image dogs.jpg --region a=20,80,310,366 --region b=0.5,0.1,0.9,0.8 \
                --embeddings --output regions.npy
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var imageOptions: ImageOptions

    @Flag(help: "Write the projections that the language model reads.")
    var embeddings = false

    @Option(name: .shortAndLong, help: "The file to write.")
    var output: FilePath

    func validate() throws {
        if imageOptions.image.isEmpty { throw ValidationError("give an image with --image") }
    }

    func run() throws {
        try output.requireApart(fromCheckpoints: model.file, files: imageOptions.image)
        defer { PrefillProgress.finish() }
        let loaded = try model.load(image: imageOptions.header())
        // There is no prompt that could have further regions.
        guard let picture = try imageOptions.load(for: loaded, prompt: "") else {
            throw PVITError(.internalDefect, "there is no image")
        }
        picture.noteOrientation()
        PrefillProgress.update(.image)
        let encoded = try encode(picture, loaded)
        let matrix = embeddings ? encoded.embeddings : encoded.features
        var writer = try NumpyWriter(path: output, rows: matrix.rows, columns: matrix.columns)
        for row in 0..<matrix.rows { try matrix.withRow(row) { try writer.append($0) } }
        try writer.commit()
    }

    private func encode(_ picture: Picture, _ model: LoadedModel) throws -> (features: Matrix, embeddings: Matrix) {
        let vision = try model.requireVision()
        guard !picture.regions.isEmpty else { return try vision.encode(picture.image) }
        let (size, orientation) = (picture.image.size, picture.image.orientation)
        return try vision.encode(
            picture.regions.map { try $0.location(in: size, orientation: orientation) }, of: picture.image)
    }
}
