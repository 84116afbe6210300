import Container
import Storage
import Tensors
import Vision

/// What stands at the positions of a session, and its images.
struct SessionPositions {
    /// The images that positions refer to, in the order in which they first occur.
    private(set) var images: [ImageDigest] = []
    private(set) var positions: [ModelPrompt.Position]

    private enum Kind {
        static let token: UInt8 = 0
        static let patch: UInt8 = 1
        static let region: UInt8 = 2
    }

    init(_ positions: [ModelPrompt.Position]) {
        self.positions = positions
        for position in positions {
            if let image = position.image, !images.contains(image) { images.append(image) }
        }
    }

    /// The records of the positions (`formats/session.md`).
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(positions.count * SessionFormat.positionByteCount)
        for position in positions {
            let image = UInt16(truncatingIfNeeded: position.image.flatMap { images.firstIndex(of: $0) } ?? 0)
            var (kind, number, edges) = (Kind.token, UInt32(0), [0, 0, 0, 0])
            switch position {
            case .token(let token): number = UInt32(bitPattern: token.rawValue)
            case .patch(let patch, _): (kind, number) = (Kind.patch, UInt32(patch))
            case .region(let region, _):
                (kind, edges) = (Kind.region, [region.left, region.top, region.right, region.bottom])
            }
            bytes += [kind, 0]
            bytes.appendLittleEndian(image)
            bytes.appendLittleEndian(number)
            for edge in edges { bytes.appendLittleEndian(UInt16(edge)) }
        }
        return bytes
    }

    /// Reads the records of `count` positions.
    ///
    /// - Parameter images: The images of the session.
    /// - Throws: `session.damaged`.
    init(_ span: RawSpan, count: Int, images: [ImageDigest]) throws {
        self.images = images
        positions = []
        positions.reserveCapacity(count)
        for index in 0..<count {
            let offset = index * SessionFormat.positionByteCount
            let kind: UInt8 = try span.littleEndian(at: offset)
            let image = Int(try span.littleEndian(at: offset + 2, as: UInt16.self))
            let number: UInt32 = try span.littleEndian(at: offset + 4)
            let edges = try (0..<4).map { Int(try span.littleEndian(at: offset + 8 + 2 * $0, as: UInt16.self)) }
            let region = RegionLocation(left: edges[0], top: edges[1], right: edges[2], bottom: edges[3])
            switch kind {
            case Kind.token: positions.append(.token(TokenID(rawValue: Int32(bitPattern: number))))
            case Kind.patch where images.indices.contains(image):
                positions.append(.patch(Int(number), images[image]))
            case Kind.region where images.indices.contains(image): positions.append(.region(region, images[image]))
            default:
                let start = SessionFormat.headerByteCount + images.count * SessionFormat.imageByteCount + offset
                throw PVITError.damagedSession(
                    "position \(index) is of no known kind", start..<start + SessionFormat.positionByteCount)
            }
        }
    }
}

extension ModelPrompt.Position {
    /// The image that the position shows.
    fileprivate var image: ImageDigest? {
        switch self {
        case .token: nil
        case .patch(_, let image), .region(_, let image): image
        }
    }
}
