import Storage
import Tensors

extension MappedFile {
    /// Reads of at least this many bytes belong to a sequential scan of the file.
    private static let scanByteCount = 1 << 16
    /// How far ahead of a scan the operating system is asked to read.
    private static let readAheadByteCount = 4 << 20

    /// Lends the bytes of `range`, which belong to the tensor or archive entry with the bytes `whole`.
    ///
    /// For a scan in large chunks, the operating system is asked to read ahead, and pages that were read are dropped
    /// from the process's memory.
    ///
    /// - Throws: What `withBytes` throws, naming the tensor, also for a file that was truncated within a page.
    func withScan<Result>(
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

    /// Runs `body`, which reads `range` of the bytes `whole`, while the bytes that follow are read ahead.
    func readingAhead<Result>(
        over range: Range<Int>, of whole: Range<Int>, _ body: () throws -> Result
    ) rethrows -> Result {
        let isScan = range.count >= Self.scanByteCount
        if isScan {
            let end = max(range.upperBound, min(range.upperBound + Self.readAheadByteCount, whole.upperBound))
            advise(.willNeed, range.upperBound..<end)
            advise(.all, range)
        }
        let result = try body()
        if isScan { advise(.dontNeed, range) }
        return result
    }
}
