import Storage

/// A rectangle in an image as prompts write it: `<L100><L250><L900><L975>`, in thousandths of the image's width and
/// height.
public struct RegionLocation: Sendable, Hashable, CustomStringConvertible {
    /// The left edge, in thousandths of the width.
    public let left: Int
    /// The upper edge, in thousandths of the height.
    public let top: Int
    /// The right edge, in thousandths of the width.
    public let right: Int
    /// The lower edge, in thousandths of the height.
    public let bottom: Int

    /// Creates a rectangle, which need not be one: see `check`.
    public init(left: Int, top: Int, right: Int, bottom: Int) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    /// The text of a prompt that stands for the rectangle, with its tags.
    public var description: String { "<Region><L\(left)><L\(top)><L\(right)><L\(bottom)></Region>" }

    /// Throws unless this is a rectangle with an area inside of the image.
    ///
    /// PVIT's code takes other numbers and computes something: what lies outside of an image is nothing, and corners
    /// are put in order. They are mistakes.
    ///
    /// - Throws: `prompt.region`.
    public func check() throws {
        func bad(_ what: String) -> PVITError {
            PVITError(
                .promptRegion, "the region \(self) \(what)",
                remedy: "write left, upper, right and lower edge in thousandths of the image, from 0 to 1000")
        }
        guard [left, top, right, bottom].allSatisfy({ (0...1000).contains($0) }) else {
            throw bad("reaches beyond the image")
        }
        guard left <= right, top <= bottom else { throw bad("has its corners in the wrong order") }
        guard left < right, top < bottom else { throw bad("is empty") }
    }
}

extension PVITError.Code {
    /// A region of a prompt is malformed, empty, outside of the image, or there is no image.
    public static let promptRegion = Self("prompt.region", .usage)
    /// A prompt has more or fewer places for images than there are images.
    public static let promptImages = Self("prompt.images", .usage)
    /// A prompt is so long that a part that must not be lost would have to be cut off.
    public static let promptTooLong = Self("prompt.too-long", .usage)
}
