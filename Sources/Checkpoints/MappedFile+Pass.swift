import Storage
import Tensors

extension MappedFile {
    /// Reads of at least this many bytes are part of a pass over the file.
    private static let passByteCount = 1 << 16
    /// How far ahead of a pass the operating system is asked to read.
    private static let readAheadByteCount = 4 << 20

    /// Lends the bytes of `range`, which belong to the tensor or archive entry with the bytes `whole`.
    ///
    /// A pass over a tensor in large pieces is read ahead of, and what it has read leaves the process's memory at once.
    ///
    /// - Throws: What `withBytes` throws, naming the tensor, also for a file that was cut within a page.
    func withPass<Result>(
        over range: Range<Int>, of whole: Range<Int>, tensor name: TensorName? = nil,
        _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        do {
            return try readingAhead(over: range, of: whole) {
                let result = try withBytes(range, body)
                try checkLength(for: range)
                return result
            }
        } catch let error as PVITError where error.code == .readFailed {
            throw error.located(tensor: name)
        }
    }

    /// Does `body`, which reads `range` of the bytes `whole`, with what follows read ahead of.
    func readingAhead<Result>(
        over range: Range<Int>, of whole: Range<Int>, _ body: () throws -> Result
    ) rethrows -> Result {
        let isPass = range.count >= Self.passByteCount
        if isPass {
            let end = max(range.upperBound, min(range.upperBound + Self.readAheadByteCount, whole.upperBound))
            advise(.willNeed, range.upperBound..<end)
            advise(.all, range)
        }
        let result = try body()
        if isPass { advise(.dontNeed, range) }
        return result
    }
}
