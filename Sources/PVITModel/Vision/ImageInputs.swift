import Architectures
import Storage
import SystemPackage
import Vision

/// What prompts about images need to know of a model's image encoders.
package struct ImageInputs: Sendable {
    /// The number of patches in an image, which is the number of tokens that it takes.
    package let patchCount: Int
    /// How to scale an image for the encoders.
    package let preparation: ImagePreparation
    /// The maximum number of regions in one prompt.
    let maximumRegionCount: Int
    /// The model's file, for error messages.
    let container: FilePath

    /// Checks that regions of an image can be encoded.
    ///
    /// - Throws: `model.no-vision` if there is no region encoder; `vision.input` for an image much longer than wide;
    ///   `prompt.region` if there are too many regions.
    func checkRegions(count: Int, of image: PreparedImage) throws {
        guard let regions = preparation.regions else {
            throw PVITError(
                .modelNoVision, "the file has no region encoder, so the model cannot read regions", file: container,
                remedy: "quantize the model again with --region-encoder REGIONCLIP")
        }
        _ = try regions.inputSize(of: image.size)
        guard count <= maximumRegionCount else {
            throw PVITError(
                .promptRegion,
                "the prompt has \(count) regions, but at most \(maximumRegionCount) are possible at a time",
                remedy: "ask about fewer regions at a time")
        }
    }
}

extension PVITError.Code {
    /// The model cannot read images, or not their regions.
    public static let modelNoVision = Self("model.no-vision", .usage)
}
