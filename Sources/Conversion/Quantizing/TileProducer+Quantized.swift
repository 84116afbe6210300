import Tensors

extension TileProducer {
    mutating func quantizedContent(
        _ encoding: TensorEncoding, of tensor: TensorDescription, rows: Range<Int>
    ) throws -> (content: [UInt8], scale: Float, statistics: ErrorStatistics) {
        throw PVITError(.typeNotPossible, "not yet")
    }
}
