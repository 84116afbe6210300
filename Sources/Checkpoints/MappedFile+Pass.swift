import Tensors

extension MappedFile {
    /// Reads of at least this many bytes are part of a pass over the file.
    private static let passByteCount = 1 << 16
    /// How far ahead of a pass the operating system is asked to read.
    private static let readAheadByteCount = 4 << 20

    /// Lends the bytes of `range`, which belong to the tensor with the bytes `whole`.
    ///
    /// A pass over a tensor in large pieces is read ahead of, and what it has read leaves the process's memory at once.
    func withPass<Result>(
        over range: Range<Int>, of whole: Range<Int>, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        let isPass = range.count >= Self.passByteCount
        if isPass {
            let end = max(range.upperBound, min(range.upperBound + Self.readAheadByteCount, whole.upperBound))
            advise(.willNeed, range.upperBound..<end)
            advise(.all, range)
        }
        let result = try withBytes(range, body)
        if isPass { advise(.dontNeed, range) }
        return result
    }
}
