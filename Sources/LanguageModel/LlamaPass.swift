/// One input of a batch, whoever owns the cache.
struct BatchEntry {
    let input: LlamaInput
    let logits: LogitsSelection
    /// The sequence's cache, and how many positions it held before.
    let rows: KVRows
    let start: Int
}

/// The rows of one pass over the weights: positions of several sequences, side by side in the activations.
struct LlamaPass {
    /// Consecutive positions of one sequence.
    struct Segment {
        /// The index of the sequence in the batch.
        let entry: Int
        /// Which positions of the entry's input these are.
        let positions: Range<Int>
        /// Their rows in the activations.
        let rows: Range<Int>
        /// The position of the first of them in the sequence's cache.
        let start: Int
        let cache: KVRows
    }

    /// A row, and the position that it is.
    struct Row {
        let entry: Int
        /// In the entry's input.
        let position: Int
        let segment: Int
        /// In the sequence's cache.
        let cachePosition: Int
    }

    let segments: [Segment]
    let rows: [Row]

    /// - Parameter ranges: Positions of entries.
    init(_ ranges: [(entry: Int, positions: Range<Int>)], of batch: [BatchEntry]) {
        var segments: [Segment] = []
        var rows: [Row] = []
        for (entry, positions) in ranges where !positions.isEmpty {
            let start = batch[entry].start + positions.lowerBound
            for (offset, position) in positions.enumerated() {
                rows.append(
                    Row(entry: entry, position: position, segment: segments.count, cachePosition: start + offset))
            }
            segments.append(
                Segment(
                    entry: entry, positions: positions, rows: rows.count - positions.count..<rows.count, start: start,
                    cache: batch[entry].rows))
        }
        self.segments = segments
        self.rows = rows
    }

    /// The same pass with fewer positions of each segment, and the rows that stay.
    func keeping(
        _ batch: [BatchEntry], _ kept: (Segment) -> Range<Int>
    ) -> (pass: LlamaPass, rows: [Range<Int>]) {
        let ranges = segments.map { (entry: $0.entry, positions: kept($0)) }
        let rows = zip(segments, ranges).map { segment, range in
            let first = segment.rows.lowerBound + range.positions.lowerBound - segment.positions.lowerBound
            return first..<first + range.positions.count
        }
        return (LlamaPass(ranges, of: batch), rows)
    }

    /// Neighbouring rows of one segment.
    struct Block {
        let segment: Int
        let rows: Range<Int>
        /// The position of the first row in the sequence's cache.
        let firstPosition: Int
    }

    /// All rows in blocks of at most `size`. Those that attend to most positions come first, so that threads end at
    /// about the same time.
    func blocks(of size: Int) -> [Block] {
        var result: [Block] = []
        for (index, segment) in segments.enumerated() {
            for first in stride(from: segment.rows.lowerBound, to: segment.rows.upperBound, by: size) {
                result.append(
                    Block(
                        segment: index, rows: first..<min(first + size, segment.rows.upperBound),
                        firstPosition: segment.start + first - segment.rows.lowerBound))
            }
        }
        return result.sorted { ($1.firstPosition, $0.rows.lowerBound) < ($0.firstPosition, $1.rows.lowerBound) }
    }

    /// Cuts a batch into passes of at most `rowsPerPass` rows, sequence after sequence.
    static func passes(of batch: [BatchEntry], rowsPerPass: Int) -> [LlamaPass] {
        var result: [LlamaPass] = []
        var ranges: [(entry: Int, positions: Range<Int>)] = []
        var room = rowsPerPass
        for (entry, content) in batch.enumerated() {
            var next = 0
            while next < content.input.count {
                let end = min(next + room, content.input.count)
                ranges.append((entry, next..<end))
                room -= end - next
                next = end
                guard room == 0 else { continue }
                result.append(LlamaPass(ranges, of: batch))
                (ranges, room) = ([], rowsPerPass)
            }
        }
        if !ranges.isEmpty { result.append(LlamaPass(ranges, of: batch)) }
        return result
    }
}
