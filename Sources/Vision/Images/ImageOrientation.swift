/// How a viewer turns an image to show it: the EXIF tag Orientation, with its numbers.
public enum ImageOrientation: Int, Sendable, Hashable, CaseIterable {
    /// Shown as stored.
    case upright = 1
    /// Left and right are exchanged.
    case mirrored = 2
    /// Turned by 180°.
    case upsideDown = 3
    /// Top and bottom are exchanged.
    case flipped = 4
    /// Columns become rows.
    case transposed = 5
    /// Turned by 90° clockwise.
    case turnedClockwise = 6
    /// Columns become rows, in reverse order.
    case transverse = 7
    /// Turned by 90° counterclockwise.
    case turnedCounterclockwise = 8

    /// How a viewer shows the image, as in "a viewer shows it …".
    public var description: String {
        switch self {
        case .upright: "as it is stored"
        case .mirrored: "mirrored"
        case .upsideDown: "turned by 180°"
        case .flipped: "upside down and mirrored"
        case .transposed: "turned by 90° and mirrored"
        case .turnedClockwise: "turned by 90° clockwise"
        case .transverse: "turned by 270° and mirrored"
        case .turnedCounterclockwise: "turned by 90° counterclockwise"
        }
    }
}

extension ImageOrientation: CustomStringConvertible {}
