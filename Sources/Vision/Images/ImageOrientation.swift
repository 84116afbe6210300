/// How a viewer turns an image before it shows it: EXIF's tag of this name, with its numbers.
public enum ImageOrientation: Int, Sendable, Hashable, CaseIterable {
    /// As it is stored.
    case upright = 1
    /// Left and right exchanged.
    case mirrored = 2
    /// Turned by half.
    case upsideDown = 3
    /// Top and bottom exchanged.
    case flipped = 4
    /// Columns shown as rows.
    case transposed = 5
    /// Turned by a quarter, clockwise.
    case turnedClockwise = 6
    /// Columns shown as rows, from the last one to the first.
    case transverse = 7
    /// Turned by a quarter, counterclockwise.
    case turnedCounterclockwise = 8

    /// What a viewer does, as in "a viewer shows it …".
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
