import Storage
import Tensors

/// The index of a container: the offsets of its sections, and checked access to records in place.
///
/// `span` is always the whole index, straight from the mapping.
struct ContainerIndex: Sendable {
    /// The number of tensor records.
    let tensorCount: Int
    /// The number of tile records.
    let tileCount: Int
    private let nameByteCount: Int
    private let tileRecords: Int
    private let order: Int
    private let names: Int
    /// The size that follows from the counts, in bytes.
    let byteCount: Int

    init(tensorCount: Int, tileCount: Int, nameByteCount: Int) {
        self.tensorCount = tensorCount
        self.tileCount = tileCount
        self.nameByteCount = nameByteCount
        tileRecords = ContainerFormat.indexHeaderByteCount + tensorCount * ContainerFormat.tensorRecordByteCount
        order = tileRecords + tileCount * ContainerFormat.tileRecordByteCount
        names = order + tensorCount * 4
        byteCount = (names + nameByteCount + 7) / 8 * 8
    }

    /// Reads the counts, and checks that they are within the limits and match the size of the index.
    init(_ span: RawSpan) throws {
        guard span.byteCount >= ContainerFormat.indexHeaderByteCount else {
            throw PVITError(.containerIndex, "the index is too short")
        }
        let tensors = Int(try span.littleEndian(at: 0, as: UInt32.self))
        let tiles = Int(try span.littleEndian(at: 4, as: UInt32.self))
        let nameBytes = Int(try span.littleEndian(at: 8, as: UInt32.self))
        guard tensors <= ContainerFormat.maximumTensorCount, tiles <= ContainerFormat.maximumTileCount,
            nameBytes <= tensors * ContainerFormat.maximumNameByteCount
        else {
            throw PVITError(
                .containerLimit,
                "the index has too many tensors, tiles or names: \(tensors) tensors, \(tiles) tiles, "
                    + "\(nameBytes) bytes of names")
        }
        self.init(tensorCount: tensors, tileCount: tiles, nameByteCount: nameBytes)
        guard byteCount == span.byteCount else {
            throw PVITError(.containerIndex, "the index has \(span.byteCount) bytes, but its counts need \(byteCount)")
        }
        guard span.isZero(12..<ContainerFormat.indexHeaderByteCount), span.isZero(names + nameBytes..<byteCount) else {
            throw PVITError(.containerPadding, "reserved or padding bytes of the index are not zero")
        }
    }

    /// The range of the record of tensor `number`.
    private func tensorRecord(_ number: Int) throws -> Range<Int> {
        guard number >= 0, number < tensorCount else {
            throw PVITError(.containerIndex, "there is no tensor number \(number)")
        }
        let size = ContainerFormat.tensorRecordByteCount
        let start = ContainerFormat.indexHeaderByteCount + number * size
        return start..<start + size
    }

    /// The range of the name of tensor `number`.
    private func nameRange(_ number: Int, in span: RawSpan) throws -> Range<Int> {
        let record = try tensorRecord(number).lowerBound
        let start = Int(try span.littleEndian(at: record, as: UInt32.self))
        let size = Int(try span.littleEndian(at: record + 4, as: UInt16.self))
        guard start + size <= nameByteCount else {
            throw PVITError(.containerLayout, "the name of tensor number \(number) lies outside the names")
        }
        return names + start..<names + start + size
    }

    private func name(_ number: Int, in span: RawSpan) throws -> TensorName {
        guard let name = TensorName(checking: span.extracting(try nameRange(number, in: span))) else {
            throw PVITError(.containerName, "the name of tensor number \(number) is not valid")
        }
        return name
    }

    /// Tensor `number`, in the order of the file.
    func tensor(_ number: Int, in span: RawSpan) throws -> StoredTensor {
        let name = try name(number, in: span)
        do {
            let record = try TensorRecord(span.extracting(tensorRecord(number)))
            var target: TensorName?
            if record.aliasOf != TensorRecord.notAnAlias {
                target = try self.name(Int(record.aliasOf), in: span)
            }
            return try StoredTensor(name: name, record: record, aliasOf: target)
        } catch let error as PVITError {
            throw error.located(tensor: name)
        }
    }

    /// The number of the tensor at `rank` in the ascending order of names.
    func sorted(_ rank: Int, in span: RawSpan) throws -> Int {
        guard rank >= 0, rank < tensorCount else {
            throw PVITError(.containerIndex, "there is no rank \(rank) in the order of names")
        }
        return Int(try span.littleEndian(at: order + 4 * rank, as: UInt32.self))
    }

    /// The number of the tensor with a name, or nil. A binary search: O(log n) comparisons of bytes.
    func find(_ name: TensorName, in span: RawSpan) throws -> Int? {
        let wanted = Array(name.rawValue.utf8)
        var low = 0
        var high = tensorCount
        while low < high {
            let middle = (low + high) / 2
            let number = try sorted(middle, in: span)
            switch compare(span.extracting(try nameRange(number, in: span)), wanted.span.bytes) {
            case 0: return number
            case ..<0: low = middle + 1
            default: high = middle
            }
        }
        return nil
    }

    /// The record of tile `number`, counted over the whole file.
    func tile(_ number: Int, in span: RawSpan) throws -> TileRecord {
        guard number >= 0, number < tileCount else {
            throw PVITError(.containerIndex, "there is no tile number \(number)")
        }
        let size = ContainerFormat.tileRecordByteCount
        let start = tileRecords + number * size
        return try TileRecord(span.extracting(start..<start + size))
    }

    /// Checks every record, the order of names, and that tiles follow one another from the header to the metadata.
    ///
    /// - Parameters:
    ///   - contentEnd: The offset of the metadata.
    ///   - needsBase: Whether the file is a packed delta.
    func validate(_ span: RawSpan, contentEnd: UInt64, needsBase: Bool) throws {
        var position = UInt64(ContainerFormat.headerByteCount)
        var tileCursor = 0
        var nameCursor = 0
        for number in 0..<tensorCount {
            let bytes = span.extracting(try tensorRecord(number))
            guard Int(try bytes.littleEndian(at: 0, as: UInt32.self)) == nameCursor else {
                throw PVITError(.containerLayout, "the name of tensor number \(number) is at the wrong offset")
            }
            nameCursor += Int(try bytes.littleEndian(at: 4, as: UInt16.self))
            let tensor = try tensor(number, in: span)
            do {
                if tensor.aliasOf != nil {
                    try checkAlias(bytes, in: span)
                } else {
                    guard tensor.firstTile == tileCursor else {
                        throw PVITError(.containerTiles, "the tensor's tiles do not follow those before it")
                    }
                    position = try checkTiles(
                        of: tensor, after: position, contentEnd: contentEnd, needsBase: needsBase, in: span)
                    tileCursor += tensor.tileCount
                }
            } catch let error as PVITError {
                throw error.located(tensor: tensor.name)
            }
        }
        guard nameCursor == nameByteCount, tileCursor == tileCount else {
            throw PVITError(.containerIndex, "there are names or tiles that do not belong to any tensor")
        }
        guard position.aligned(to: ContainerFormat.storedAlignment) == contentEnd else {
            throw PVITError(.containerLayout, "the metadata does not follow the last tile")
        }
        try checkOrder(span)
    }

    /// Checks that an alias repeats the record of its target, which is not an alias, from byte 16.
    private func checkAlias(_ record: RawSpan, in span: RawSpan) throws {
        let target = span.extracting(try tensorRecord(Int(record.littleEndian(at: 8, as: UInt32.self))))
        let size = ContainerFormat.tensorRecordByteCount
        guard try target.littleEndian(at: 8) == TensorRecord.notAnAlias,
            compare(record.extracting(16..<size), target.extracting(16..<size)) == 0,
            try record.littleEndian(at: 17) == TensorRole.parameter.rawValue
        else {
            throw PVITError(.containerAlias, "the alias does not repeat the record of a parameter")
        }
    }

    /// Checks the offsets of a tensor's tiles. Returns the end of the last one.
    private func checkTiles(
        of tensor: StoredTensor, after end: UInt64, contentEnd: UInt64, needsBase: Bool, in span: RawSpan
    ) throws -> UInt64 {
        guard tensor.tileCount > 0 else {
            guard tensor.storedRange == 0..<0 else {
                throw PVITError(.containerLayout, "a tensor without elements has bytes in the file")
            }
            return end
        }
        var position = end
        if let alignment = ContainerFormat.tensorAlignment(needsBase: needsBase) {
            position = end.aligned(to: alignment)
        }
        for index in 0..<tensor.tileCount {
            let tile = try tile(tensor.firstTile + index, in: span)
            try tile.check(
                encoding: tensor.encoding, byteCount: tensor.layout.byteCount(ofTile: index), needsBase: needsBase)
            if tile.codec == .stored { position = position.aligned(to: ContainerFormat.storedAlignment) }
            guard index > 0 || tensor.storedRange.lowerBound == position else {
                throw PVITError(
                    .containerLayout,
                    "the tensor begins at byte \(tensor.storedRange.lowerBound) instead of \(position)")
            }
            guard tile.offset == position else {
                throw PVITError(
                    .containerLayout, "tile \(index) begins at byte \(tile.offset) instead of \(position)")
            }
            position += UInt64(tile.storedByteCount)
            guard position <= contentEnd else {
                throw PVITError(.containerLayout, "tile \(index) ends after the start of the metadata")
            }
        }
        guard tensor.storedRange.upperBound == position else {
            throw PVITError(.containerLayout, "the tensor ends at byte \(position), not where its record says")
        }
        return position
    }

    /// Checks that names are strictly ascending. The order is then also a permutation.
    private func checkOrder(_ span: RawSpan) throws {
        var previous: Int?
        for rank in 0..<tensorCount {
            let number = try sorted(rank, in: span)
            guard number < tensorCount else {
                throw PVITError(.containerOrder, "the order of names contains a tensor that does not exist")
            }
            if let previous {
                let (left, right) = try (nameRange(previous, in: span), nameRange(number, in: span))
                guard compare(span.extracting(left), span.extracting(right)) < 0 else {
                    throw PVITError(
                        .containerOrder, "names are not unique or not in order", tensor: try name(number, in: span))
                }
            }
            previous = number
        }
    }
}

extension TensorName {
    /// Creates a name from bytes; nil if they are empty, too many, not UTF-8, or contain control characters.
    init?(checking bytes: RawSpan) {
        guard bytes.byteCount > 0, bytes.byteCount <= ContainerFormat.maximumNameByteCount else { return nil }
        let text = bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
        guard let text, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        self.init(text)
    }
}
