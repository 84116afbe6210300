import Storage

/// A rectangle in an image as prompts spell it, `<L100><L250><L900><L975>`: in thousandths of the image's width and
/// height.
package struct RegionLocation: Sendable, Hashable, CustomStringConvertible {
    /// The left edge, in thousandths of the width.
    package let left: Int
    /// The upper edge, in thousandths of the height.
    package let top: Int
    /// The right edge, in thousandths of the width.
    package let right: Int
    /// The lower edge, in thousandths of the height.
    package let bottom: Int

    /// Creates a rectangle. It may be invalid: see `check`.
    package init(left: Int, top: Int, right: Int, bottom: Int) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    /// The rectangle as a prompt spells it, with its tags.
    package var description: String { "<Region><L\(left)><L\(top)><L\(right)><L\(bottom)></Region>" }

    /// Checks that the rectangle lies inside the image and has an area.
    ///
    /// PVIT's code accepts other numbers: it clips the rectangle and swaps its corners. Here they are errors.
    ///
    /// - Throws: `prompt.region`.
    package func check() throws {
        func invalid(_ problem: String) -> PVITError {
            PVITError(
                .promptRegion, "the region \(self) \(problem)",
                remedy: "write the left, upper, right and lower edge in thousandths of the image, from 0 to 1000")
        }
        guard [left, top, right, bottom].allSatisfy({ (0...1000).contains($0) }) else {
            throw invalid("reaches beyond the image")
        }
        guard left <= right, top <= bottom else { throw invalid("has its edges in the wrong order") }
        guard left < right, top < bottom else { throw invalid("is empty") }
    }
}

extension PVITError.Code {
    /// A region in a prompt is malformed, empty or outside the image, or there is no image.
    public static let promptRegion = Self("prompt.region", .usage)
    /// A prompt mentions more or fewer images than there are.
    public static let promptImages = Self("prompt.images", .usage)
    /// A prompt is too long, and cutting it would cut into the image or a region.
    public static let promptTooLong = Self("prompt.too-long", .usage)
}
