import Storage
import Tensors

/// The fixed-size record of a tensor in the index (`formats/pvq.md`, "Tensor records").
struct TensorRecord {
    static let notAnAlias = UInt32.max

    var nameOffset: UInt32
    var nameByteCount: UInt16
    var aliasOf: UInt32
    var encoding: TensorEncoding
    var role: TensorRole
    var shape: Shape
    var rowsPerTile: UInt32
    var firstTile: UInt32
    var tileCount: UInt32
    var offset: UInt64
    var storedByteCount: UInt64
    var statistics: ErrorStatistics?
    var contentDigest: Digest

    /// Appends the record.
    func write(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(nameOffset)
        bytes.appendLittleEndian(nameByteCount)
        bytes.appendLittleEndian(UInt16(0))
        bytes.appendLittleEndian(aliasOf)
        bytes.appendLittleEndian(UInt32(0))
        bytes.append(encoding.code)
        bytes.append(role.rawValue)
        bytes.append(UInt8(truncatingIfNeeded: shape.rank))
        bytes.append(statistics == nil ? 0 : 1)
        bytes.appendLittleEndian(rowsPerTile)
        bytes.appendLittleEndian(firstTile)
        bytes.appendLittleEndian(tileCount)
        for axis in 0..<Shape.maximumRank {
            bytes.appendLittleEndian(axis < shape.rank ? UInt64(shape.dimensions[axis]) : 0)
        }
        bytes.appendLittleEndian(offset)
        bytes.appendLittleEndian(storedByteCount)
        bytes.appendLittleEndian((statistics?.squaredError ?? 0).bitPattern)
        bytes.appendLittleEndian((statistics?.maximumError ?? 0).bitPattern)
        bytes.appendLittleEndian((statistics?.squaredSum ?? 0).bitPattern)
        bytes.appendLittleEndian(UInt64(statistics?.count ?? 0))
        for index in 0..<32 { bytes.append(contentDigest.bytes[index]) }
        bytes += repeatElement(0, count: 16)
    }

    /// Reads a record of `tensorRecordByteCount` bytes, and checks what does not depend on other records.
    init(_ span: RawSpan) throws {
        nameOffset = try span.littleEndian(at: 0)
        nameByteCount = try span.littleEndian(at: 4)
        aliasOf = try span.littleEndian(at: 8)
        let reserved =
            try UInt64(span.littleEndian(at: 6, as: UInt16.self)) | UInt64(span.littleEndian(at: 12, as: UInt32.self))
            | span.littleEndian(at: 176) | span.littleEndian(at: 184)
        guard reserved == 0 else {
            throw PVITError(.containerPadding, "reserved bytes of a tensor's record are not zero")
        }
        let encodingCode: UInt8 = try span.littleEndian(at: 16)
        let roleCode: UInt8 = try span.littleEndian(at: 17)
        guard let encoding = TensorEncoding(code: encodingCode) else {
            throw PVITError(
                .containerEncoding, "the encoding \(encodingCode) is unknown", remedy: "use a newer version of pvit")
        }
        guard let role = TensorRole(rawValue: roleCode) else {
            throw PVITError(
                .containerEncoding, "the role \(roleCode) is unknown", remedy: "use a newer version of pvit")
        }
        self.encoding = encoding
        self.role = role
        shape = try Self.shape(span)
        guard role == .parameter || (encoding == .plain(.u8) && shape.rank == 1) else {
            throw PVITError(.containerEncoding, "an attachment must be a list of bytes")
        }
        rowsPerTile = try span.littleEndian(at: 20)
        firstTile = try span.littleEndian(at: 24)
        tileCount = try span.littleEndian(at: 28)
        offset = try span.littleEndian(at: 96)
        storedByteCount = try span.littleEndian(at: 104)
        statistics = try Self.statistics(span)
        contentDigest = try Digest(in: span, at: 144)
    }

    private static func shape(_ span: RawSpan) throws -> Shape {
        let rank = Int(try span.littleEndian(at: 18, as: UInt8.self))
        guard rank <= Shape.maximumRank else {
            throw PVITError(.containerShape, "a tensor has \(rank) dimensions, more than \(Shape.maximumRank)")
        }
        var dimensions: [Int] = []
        for axis in 0..<Shape.maximumRank {
            let extent: UInt64 = try span.littleEndian(at: 32 + 8 * axis)
            if axis >= rank {
                guard extent == 0 else {
                    throw PVITError(.containerPadding, "an extent past the last dimension is not zero")
                }
                continue
            }
            guard let extent = Int(exactly: extent) else {
                throw PVITError(.containerShape, "a tensor's extent is too large: \(extent)")
            }
            dimensions.append(extent)
        }
        guard let shape = Shape(dimensions) else {
            throw PVITError(.containerShape, "a tensor has too many elements: \(dimensions)")
        }
        return shape
    }

    private static func statistics(_ span: RawSpan) throws -> ErrorStatistics? {
        let flags: UInt8 = try span.littleEndian(at: 19)
        guard flags <= 1 else {
            throw PVITError(.containerPadding, "reserved flags of a tensor's record are not zero")
        }
        let numbers = try (0..<3).map { Double(bitPattern: try span.littleEndian(at: 112 + 8 * $0)) }
        let count: UInt64 = try span.littleEndian(at: 136)
        guard flags == 1 else {
            guard count == 0, numbers.allSatisfy({ $0.bitPattern == 0 }) else {
                throw PVITError(.containerPadding, "error statistics are absent, but their bytes are not zero")
            }
            return nil
        }
        guard let count = Int(exactly: count), numbers.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw PVITError(.containerStatistics, "error statistics are not finite, non-negative numbers")
        }
        return ErrorStatistics(
            squaredError: numbers[0], maximumError: numbers[1], squaredSum: numbers[2], count: count)
    }
}

extension TensorRecord {
    /// Creates the record of a tensor that is not written yet.
    init(
        encoding: TensorEncoding, role: TensorRole, shape: Shape, rowsPerTile: UInt32, firstTile: UInt32
    ) {
        nameOffset = 0
        nameByteCount = 0
        aliasOf = Self.notAnAlias
        self.encoding = encoding
        self.role = role
        self.shape = shape
        self.rowsPerTile = rowsPerTile
        self.firstTile = firstTile
        tileCount = 0
        offset = 0
        storedByteCount = 0
        statistics = nil
        contentDigest = Digest(bytes: SIMD32())
    }
}
