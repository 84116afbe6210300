import ArgumentParser
import PVITModel
import Storage
import SystemPackage
import Vision

/// The image of a prompt, and its regions.
struct ImageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The image to ask about: JPEG, PNG or WebP. <image> in the prompt stands for it; without that, the image "
                + "goes before the first message.", valueName: "file"))
    var image: [FilePath] = []

    @Option(
        help: ArgumentHelp(
            "A region of the image, which the prompt mentions as {NAME}: left, upper, right and lower edge. Whole "
                + "numbers are pixels, numbers with a decimal point are fractions of the image. Can be repeated.",
            valueName: "name=x1,y1,x2,y2"))
    var region: [String] = []

    func validate() throws {
        guard image.count < 2 else {
            throw ValidationError("--image is given \(image.count) times, but only one image is possible")
        }
        guard region.isEmpty || !image.isEmpty else { throw ValidationError("--region needs --image") }
        do {
            let names = try region.map { try NamedRegion(parsing: $0).name }
            if Set(names).count < names.count { throw ValidationError("two regions have the same name") }
        } catch let error as PVITError {
            throw ValidationError(error.description)
        }
    }

    /// Reads the header of the image file. Called before a model is opened.
    ///
    /// - Throws: The errors of reading the file, and `prompt.region` for regions that reach beyond the image.
    func header() throws -> ImageHeader? {
        guard let path = image.first else { return nil }
        let header = try ImageFile(path: path).header
        for region in try region.map(NamedRegion.init(parsing:)) {
            _ = try region.location(in: header.size, orientation: header.orientation)
        }
        return header
    }

    /// Reads the image.
    ///
    /// - Parameters:
    ///   - model: The model to scale the image for.
    ///   - prompt: The only prompt about the image; nil if there may be others.
    /// - Throws: `model.no-vision`, the errors of decoding the image, and `prompt.region` for regions that reach beyond
    ///   it.
    func load(for model: LoadedModel, prompt: String? = nil) throws -> Picture? {
        guard let path = image.first, try header() != nil else { return nil }
        let hasRegions = prompt.map { !region.isEmpty || $0.contains("<Region>") } ?? true
        return Picture(
            path: path, image: try model.image(contentsOf: path, forRegions: hasRegions),
            regions: try region.map(NamedRegion.init(parsing:)))
    }
}

/// An image with named regions.
struct Picture {
    let path: FilePath
    let image: PreparedImage
    let regions: [NamedRegion]

    /// Replaces the names of regions in a prompt by the regions.
    ///
    /// - Parameter mustUseAll: Whether the prompt must mention every region.
    /// - Throws: `prompt.region` if it does not.
    func prompt(_ text: String, mustUseAll: Bool) throws -> String {
        let (result, unused) = try NamedRegion.insert(
            regions, into: text, size: image.size, orientation: image.orientation)
        if mustUseAll, let name = unused.first {
            throw PVITError(
                .promptRegion, "the prompt does not mention the region \(name)", remedy: "write {\(name)} in the prompt"
            )
        }
        return result
    }

    /// The image as JSON.
    var json: JSONValue {
        [
            "path": .string(path.readable), "width": .integer(image.size.width), "height": .integer(image.size.height),
            "orientation": .integer(image.orientation.rawValue),
        ]
    }

    /// Notes on standard error if viewers show the image in another orientation than the model reads it in.
    func noteOrientation() {
        if let orientationNote { StandardError.write("note: \(orientationNote)\n") }
    }

    /// The note for an image that viewers rotate or mirror; nil for others.
    var orientationNote: String? {
        guard image.orientation != .upright else { return nil }
        return
            "viewers show \(path.readable) \(image.orientation) because of its EXIF orientation, which is ignored: the "
            + "model reads the image, and regions refer to it, as stored (\(image.size) pixels)"
    }
}
