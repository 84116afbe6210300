import Storage
import Vision

/// A region of an image with a name for use in prompts: `dog=120,80,410,366` in pixels, or `dog=0.2,0.15,0.7,0.9` in
/// fractions of the image's width and height. A prompt refers to it as `{dog}`.
public struct NamedRegion: Sendable, Hashable {
    /// The name, without braces.
    public let name: String
    private let edges: Edges
    private let text: String

    private enum Edges: Hashable {
        case pixels([Int])
        case fractions([Double])
    }

    /// Parses `NAME=left,top,right,bottom`. Four whole numbers are pixels, four numbers with a decimal point are
    /// fractions.
    ///
    /// - Throws: `prompt.region` for anything else, including a mixture of both.
    public init(parsing text: String) throws {
        func malformed(_ problem: String) -> PVITError { Self.malformed(text, problem) }
        let fields = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard fields.count == 2 else { throw malformed("has no name") }
        name = String(fields[0])
        guard Self.isName(name) else { throw malformed(Self.nameProblem) }
        let numbers = fields[1].split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
        guard numbers.count == 4 else { throw malformed("has \(numbers.count) numbers, not 4") }
        let whole = numbers.compactMap { Int($0) }
        let fractions = numbers.filter { $0.contains(".") }.compactMap { Double($0) }.filter(\.isFinite)
        if whole.count == 4 {
            edges = .pixels(whole)
        } else if fractions.count == 4 {
            edges = .fractions(fractions)
        } else {
            throw malformed("has neither four whole numbers nor four numbers with a decimal point")
        }
        self.text = text
    }

    /// Creates a region from its edges in pixels.
    ///
    /// - Parameters:
    ///   - name: The name, of letters, digits, `-` and `_`.
    ///   - left: The left edge.
    ///   - top: The upper edge.
    ///   - right: The right edge.
    ///   - bottom: The lower edge.
    /// - Throws: `PVITError` for a name with other characters.
    public init(_ name: String, left: Int, top: Int, right: Int, bottom: Int) throws {
        try self.init(name: name, box: [left, top, right, bottom].map { .integer($0) })
    }

    /// Creates a region from its edges in fractions of the image's width and height, from 0 to 1.
    ///
    /// - Parameters:
    ///   - name: The name, of letters, digits, `-` and `_`.
    ///   - left: The left edge.
    ///   - top: The upper edge.
    ///   - right: The right edge.
    ///   - bottom: The lower edge.
    /// - Throws: `PVITError` for a name with other characters.
    public init(_ name: String, left: Double, top: Double, right: Double, bottom: Double) throws {
        try self.init(name: name, box: [left, top, right, bottom].map { .number($0) })
    }

    /// Creates a region from the numbers of a JSON array: four whole numbers are pixels, others are fractions.
    ///
    /// - Parameters:
    ///   - name: The name, of letters, digits, `-` and `_`.
    ///   - box: The left, upper, right and lower edge.
    /// - Throws: `prompt.region` for anything else.
    package init(name: String, box: [JSONValue]) throws {
        let text = "\(name)=" + box.map { String(decoding: $0.encoded(), as: UTF8.self) }.joined(separator: ",")
        guard Self.isName(name) else {
            throw PVITError(.promptRegion, "the region \"\(text)\" \(Self.nameProblem)", remedy: "choose another name")
        }
        let fractions = box.compactMap(\.double)
        guard fractions.count == box.count, box.count == 4 else {
            throw PVITError(
                .promptRegion, "the region \"\(text)\" has not four numbers",
                remedy: "give the left, upper, right and lower edge, in pixels or in fractions of the image")
        }
        let pixels = box.compactMap { if case .integer(let value) = $0 { value } else { nil } }
        self.name = name
        self.text = text
        // JavaScript writes the fraction 1.0 as 1, so one fraction among whole numbers makes all of them fractions.
        edges = pixels.count == box.count ? .pixels(pixels) : .fractions(fractions)
    }

    private static let nameProblem = "has a name with characters other than letters, digits, - and _"

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    }

    private static func malformed(_ text: String, _ problem: String) -> PVITError {
        PVITError(
            .promptRegion, "the region \"\(text)\" \(problem)",
            remedy:
                "write NAME=left,top,right,bottom: whole numbers are pixels (dog=120,80,410,366), numbers with a "
                + "decimal point are fractions of the image (dog=0.2,0.15,0.7,0.9)")
    }

    /// Converts the region to thousandths of an image, rounded to the nearest.
    ///
    /// - Parameters:
    ///   - size: The size of the image as stored.
    ///   - orientation: The orientation in which viewers show the image, for error messages only.
    /// - Throws: `prompt.region` if the region reaches beyond the image, or is too small to be expressed.
    package func location(in size: PixelSize, orientation: ImageOrientation = .upright) throws -> RegionLocation {
        func invalid(_ problem: String, _ remedy: String) -> PVITError {
            PVITError(.promptRegion, "the region \"\(text)\" \(problem)", remedy: remedy)
        }
        let sides = [size.width, size.height, size.width, size.height].map { Double($0) }
        let fractions =
            switch edges {
            case .pixels(let pixels): zip(pixels, sides).map { Double($0) / $1 }
            case .fractions(let fractions): fractions
            }
        guard fractions.allSatisfy({ (0...1).contains($0) }) else {
            let shown =
                orientation == .upright ? "" : " as stored (a viewer shows it \(orientation))"
            throw invalid("reaches beyond the image, which has \(size) pixels\(shown)", "give edges inside the image")
        }
        guard fractions[0] < fractions[2], fractions[1] < fractions[3] else {
            throw invalid("is empty, or its edges are in the wrong order", "give the left, upper, right and lower edge")
        }
        let thousandths = fractions.map { Int(($0 * 1000).rounded()) }
        guard thousandths[0] < thousandths[2], thousandths[1] < thousandths[3] else {
            throw invalid("is thinner than a thousandth of the image", "give a larger region")
        }
        return RegionLocation(
            left: thousandths[0], top: thousandths[1], right: thousandths[2], bottom: thousandths[3])
    }

    /// Replaces `{NAME}` in a text with the regions of these names.
    ///
    /// - Returns: The new text, and the names that the text does not mention.
    /// - Throws: What `location(in:orientation:)` throws.
    package static func insert(
        _ regions: [NamedRegion], into text: String, size: PixelSize, orientation: ImageOrientation = .upright
    ) throws -> (text: String, unused: [String]) {
        var locations: [String: String] = [:]
        for region in regions {
            locations[region.name] = try region.location(in: size, orientation: orientation).description
        }
        let longest = regions.map(\.name.count).max() ?? 0
        var result = ""
        var used: Set<String> = []
        var rest = text[...]
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace]
            rest = rest[brace...]
            let name = rest.dropFirst().prefix(longest + 1).prefix { $0 != "}" }
            if name.endIndex < rest.endIndex, rest[name.endIndex] == "}", let location = locations[String(name)] {
                result += location
                used.insert(String(name))
                rest = rest[rest.index(after: name.endIndex)...]
            } else {
                result.append(rest.removeFirst())
            }
        }
        return (result + rest, regions.map(\.name).filter { !used.contains($0) })
    }
}
