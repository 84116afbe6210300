import ArgumentParser
import PVITModel
import Storage
import SystemPackage
import Vision

/// The image that a question is about, and its regions.
struct ImageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The image to ask about: JPEG, PNG or WebP. <image> in the prompt is where it is shown; by default that is "
                + "before the first question.", valueName: "file"))
    var image: [FilePath] = []

    @Option(
        help: ArgumentHelp(
            "A region of the image, which {NAME} in the prompt stands for. Whole numbers are pixels, numbers with a "
                + "decimal point fractions of the image: left, upper, right, lower edge. May be given several times.",
            valueName: "name=x1,y1,x2,y2"))
    var region: [String] = []

    func validate() throws {
        guard image.count < 2 else {
            throw ValidationError("one image at a time: --image is given \(image.count) times")
        }
        guard region.isEmpty || !image.isEmpty else { throw ValidationError("--region needs --image") }
        do {
            let names = try region.map { try NamedRegion(parsing: $0).name }
            if Set(names).count < names.count { throw ValidationError("two regions have the same name") }
        } catch let error as PVITError {
            throw ValidationError(error.description)
        }
    }

    /// What the image's file says of itself, before a model is opened for it.
    ///
    /// - Throws: The errors of reading it, and `prompt.region` for regions that are not inside of it.
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
    /// - Parameter prompt: The only text that asks about it; nil when there may be others.
    /// - Throws: `model.no-vision`, the errors of decoding it, and `prompt.region` for regions that are not inside of
    ///   it.
    func load(for model: LoadedModel, prompt: String? = nil) throws -> Picture? {
        guard let path = image.first, try header() != nil else { return nil }
        let hasRegions = prompt.map { !region.isEmpty || $0.contains("<Region>") } ?? true
        return Picture(
            path: path, image: try model.image(contentsOf: path, forRegions: hasRegions),
            regions: try region.map(NamedRegion.init(parsing:)))
    }
}

/// An image that was read, with names for its regions.
struct Picture {
    let path: FilePath
    let image: PreparedImage
    let regions: [NamedRegion]

    /// A prompt with the regions in the place of their names.
    ///
    /// - Throws: `prompt.region` for a region that the prompt does not mention, unless it need not.
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

    /// The image for a program.
    var json: JSONValue {
        [
            "path": .string(path.readable), "width": .integer(image.size.width), "height": .integer(image.size.height),
            "orientation": .integer(image.orientation.rawValue),
        ]
    }

    /// Says when a viewer shows the image in another way than the model sees it.
    func noteOrientation() {
        if let orientationNote { StandardError.write("note: \(orientationNote)\n") }
    }

    /// What a person should know of an image that a viewer turns; nil for others.
    var orientationNote: String? {
        guard image.orientation != .upright else { return nil }
        return "a viewer shows \(path.readable) \(image.orientation), as its EXIF says; the model sees it, and regions "
            + "count, as it is stored: \(image.size) pixels"
    }
}
