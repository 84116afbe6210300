import Tensors

/// The constants of the container format (`formats/pvq.md`).
enum ContainerFormat {
    /// The version that this module writes, and the newest one that it reads.
    static let version: UInt32 = 1
    /// The feature of a packed delta: tiles are stored relative to a base.
    static let baseFeature: UInt64 = 1
    /// The must-understand features that this module supports.
    static let knownFeatures: UInt64 = baseFeature

    static let startMagic: [UInt8] = [0x89, 0x50, 0x56, 0x51, 0x0D, 0x0A, 0x1A, 0x0A]
    static let endMagic: [UInt8] = [0x50, 0x56, 0x51, 0x2D, 0x45, 0x4E, 0x44, 0x0A]

    static let headerByteCount = 64
    static let footerByteCount = 128
    static let indexHeaderByteCount = 64
    static let tensorRecordByteCount = 192
    static let tileRecordByteCount = 32

    static let tensorAlignment: UInt64 = 4096
    static let storedAlignment: UInt64 = 64

    static let maximumTensorCount = 1 << 20
    static let maximumTileCount = 1 << 24
    static let maximumNameByteCount = 1024
    static let maximumTileByteCount = 256 << 20
    static let maximumAttachmentByteCount = 256 << 20
    static let maximumMetadataByteCount = 64 << 20
    static let maximumWindowByteCount: UInt64 = 8 << 20

    /// The alignment of a tensor's first tile; nil if it begins where the previous one ends, like any other tile.
    static func tensorAlignment(needsBase: Bool) -> UInt64? { needsBase ? nil : tensorAlignment }
}

extension UInt64 {
    /// The value rounded up to a multiple of `alignment`, a power of two. The value is an offset into a file, at most
    /// `Int64.max`.
    func aligned(to alignment: UInt64) -> UInt64 {
        (self &+ alignment &- 1) & ~(alignment &- 1)
    }
}

/// The role of a tensor.
package enum TensorRole: UInt8, Sendable, Hashable {
    /// A weight of the model.
    case parameter = 0
    /// A file that belongs to the model, such as `tokenizer.model`.
    case attachment = 1
}

/// How a tile's bytes are stored.
package enum TileCodec: UInt8, Sendable, Hashable {
    /// Uncompressed: readable straight from the mapping.
    case stored = 0
    /// One zstd frame.
    case zstd = 1
    /// The bytes of the elements, sorted by significance into planes. Each plane is raw or one zstd frame.
    case zstdPlanes = 2
    /// The same bytes as the base's. Only a checksum of them is stored.
    case unchanged = 3
    /// The differences of floating-point numbers from those of the base.
    case difference = 4

    /// Whether the base is needed to decode the tile.
    package var needsBase: Bool { self == .unchanged || self == .difference }
}

extension TensorEncoding {
    /// The number of the encoding in a tensor record.
    var code: UInt8 {
        switch self {
        case .plain(.f32): 1
        case .plain(.f16): 2
        case .plain(.bf16): 3
        case .plain(.f64): 4
        case .plain(.i64): 5
        case .plain(.i32): 6
        case .plain(.i16): 7
        case .plain(.i8): 8
        case .plain(.u8): 9
        case .plain(.bool): 10
        case .q8: 32
        case .q4: 33
        }
    }

    /// The encoding with a number, or nil.
    init?(code: UInt8) {
        switch code {
        case 1: self = .plain(.f32)
        case 2: self = .plain(.f16)
        case 3: self = .plain(.bf16)
        case 4: self = .plain(.f64)
        case 5: self = .plain(.i64)
        case 6: self = .plain(.i32)
        case 7: self = .plain(.i16)
        case 8: self = .plain(.i8)
        case 9: self = .plain(.u8)
        case 10: self = .plain(.bool)
        case 32: self = .q8
        case 33: self = .q4
        default: return nil
        }
    }

    /// The number of byte planes, which is the size of an element: 2, 4 or 8; nil if elements have no planes.
    var planeCount: Int? {
        switch self {
        case .plain(let type): type.byteCount > 1 ? type.byteCount : nil
        case .q8, .q4: nil
        }
    }
}
