import Storage
import Tensors

/// Collects the records of a container that is being written.
struct IndexBuilder {
    private var tensors: [(record: TensorRecord, name: TensorName)] = []
    private var tiles: [TileRecord] = []
    private var numbers: [TensorName: Int] = [:]
    private var nameByteCount = 0

    /// The number that the next tile will have.
    var nextTile: UInt32 { UInt32(truncatingIfNeeded: tiles.count) }

    /// Throws unless a tensor with this name and number of tiles can be added.
    func check(name: TensorName, newTiles: Int) throws {
        guard TensorName(checking: Array(name.rawValue.utf8).span.bytes) != nil else {
            throw PVITError(
                .containerName,
                "a tensor's name must have 1 to \(ContainerFormat.maximumNameByteCount) bytes and no "
                    + "control characters", tensor: name)
        }
        guard numbers[name] == nil else {
            throw PVITError(.containerOrder, "there already is a tensor with this name", tensor: name)
        }
        guard tensors.count < ContainerFormat.maximumTensorCount,
            newTiles <= ContainerFormat.maximumTileCount - tiles.count
        else {
            throw PVITError(.containerLimit, "there are too many tensors or tiles", tensor: name)
        }
    }

    mutating func append(_ record: TensorRecord, name: TensorName) {
        var record = record
        record.nameOffset = UInt32(truncatingIfNeeded: nameByteCount)
        record.nameByteCount = UInt16(truncatingIfNeeded: name.rawValue.utf8.count)
        nameByteCount += name.rawValue.utf8.count
        numbers[name] = tensors.count
        tensors.append((record, name))
    }

    mutating func append(_ record: TileRecord) { tiles.append(record) }

    mutating func appendAlias(_ name: TensorName, of target: TensorName) throws {
        guard let number = numbers[target], tensors[number].record.role == .parameter else {
            throw PVITError(.tensorNotFound, "there is no parameter \(target) for the alias", tensor: name)
        }
        var record = tensors[number].record
        // An alias of an alias is an alias of its target.
        if record.aliasOf == TensorRecord.notAnAlias { record.aliasOf = UInt32(truncatingIfNeeded: number) }
        append(record, name: name)
    }

    /// The bytes of the index, and the digest of all parameters.
    func finish() -> ([UInt8], ModelDigest) {
        let index = ContainerIndex(tensorCount: tensors.count, tileCount: tiles.count, nameByteCount: nameByteCount)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(index.byteCount)
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: tensors.count))
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: tiles.count))
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: nameByteCount))
        bytes += repeatElement(0, count: ContainerFormat.indexHeaderByteCount - bytes.count)
        for (record, _) in tensors { record.write(into: &bytes) }
        for tile in tiles { tile.write(into: &bytes) }
        let order = tensors.indices.sorted { tensors[$0].name < tensors[$1].name }
        for number in order { bytes.appendLittleEndian(UInt32(truncatingIfNeeded: number)) }
        for (_, name) in tensors { bytes += name.rawValue.utf8 }
        bytes += repeatElement(0, count: index.byteCount - bytes.count)
        var digester = ModelDigester()
        for number in order where tensors[number].record.role == .parameter {
            let (record, name) = tensors[number]
            digester.update(
                name: name, encoding: record.encoding, shape: record.shape, content: record.contentDigest)
        }
        return (bytes, digester.finish())
    }
}
