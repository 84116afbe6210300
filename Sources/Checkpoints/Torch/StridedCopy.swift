/// A copy between two arrays of elements in which the elements of each dimension are a fixed number of bytes apart.
///
/// Runs that are contiguous on both sides are copied whole. The remaining dimensions are walked so that the source is
/// read in the order of its bytes, which for a transposed matrix is the order of the disk.
struct StridedCopy {
    struct Dimension {
        let count: Int
        let sourceStride: Int
        let destinationStride: Int
    }

    /// The size of a run that is contiguous on both sides, in bytes.
    private let runByteCount: Int
    /// The dimensions by decreasing source stride.
    private let dimensions: [Dimension]
    private let isEmpty: Bool

    /// Describes a copy.
    ///
    /// - Parameters:
    ///   - dimensions: Outermost first.
    ///   - elementByteCount: The size of an element: 1, 2, 4 or 8.
    init(_ dimensions: [Dimension], elementByteCount: Int) {
        isEmpty = dimensions.contains { $0.count == 0 }
        var rest = dimensions.filter { $0.count != 1 }
        var run = elementByteCount
        while let last = rest.last, last.sourceStride == run, last.destinationStride == run {
            run *= last.count
            rest.removeLast()
        }
        runByteCount = run
        self.dimensions = rest.sorted { $0.sourceStride > $1.sourceStride }
    }

    /// Copies from the beginning of `source` to `offset` in `destination`.
    func run(from source: RawSpan, into destination: inout MutableRawSpan, at offset: Int) {
        guard !isEmpty else { return }
        guard let inner = dimensions.last else {
            copyRuns(1, Dimension(count: 1, sourceStride: 0, destinationStride: 0), source, 0, &destination, offset)
            return
        }
        let outer = dimensions.dropLast()
        var indices = [Int](repeating: 0, count: outer.count)
        var sourceOffset = 0
        var destinationOffset = offset
        while true {
            copyRuns(inner.count, inner, source, sourceOffset, &destination, destinationOffset)
            var axis = outer.count - 1
            while axis >= 0 {
                let dimension = outer[axis]
                indices[axis] += 1
                sourceOffset += dimension.sourceStride
                destinationOffset += dimension.destinationStride
                if indices[axis] < dimension.count { break }
                indices[axis] = 0
                sourceOffset -= dimension.count * dimension.sourceStride
                destinationOffset -= dimension.count * dimension.destinationStride
                axis -= 1
            }
            if axis < 0 { return }
        }
    }

    private func copyRuns(
        _ count: Int, _ dimension: Dimension, _ source: RawSpan, _ sourceOffset: Int,
        _ destination: inout MutableRawSpan, _ destinationOffset: Int
    ) {
        switch runByteCount {
        case 1: copyElements(UInt8.self, count, dimension, source, sourceOffset, &destination, destinationOffset)
        case 2: copyElements(UInt16.self, count, dimension, source, sourceOffset, &destination, destinationOffset)
        case 4: copyElements(UInt32.self, count, dimension, source, sourceOffset, &destination, destinationOffset)
        case 8: copyElements(UInt64.self, count, dimension, source, sourceOffset, &destination, destinationOffset)
        default:
            source.withUnsafeBytes { source in
                destination.withUnsafeMutableBytes { destination in
                    for index in 0..<count {
                        let from = sourceOffset + index * dimension.sourceStride
                        let to = destinationOffset + index * dimension.destinationStride
                        // Slicing checks both ranges.
                        UnsafeMutableRawBufferPointer(rebasing: destination[to..<to + runByteCount])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[from..<from + runByteCount]))
                    }
                }
            }
        }
    }

    private func copyElements<Element: FixedWidthInteger & BitwiseCopyable>(
        _ type: Element.Type, _ count: Int, _ dimension: Dimension, _ source: RawSpan, _ sourceOffset: Int,
        _ destination: inout MutableRawSpan, _ destinationOffset: Int
    ) {
        var from = sourceOffset
        var to = destinationOffset
        for _ in 0..<count {
            let element = source.unsafeLoadUnaligned(fromByteOffset: from, as: type)
            destination.storeBytes(of: element, toByteOffset: to, as: type)
            from += dimension.sourceStride
            to += dimension.destinationStride
        }
    }
}
