/// What a batch reads of one sequence, whoever owns the cache.
struct BatchEntry {
    let input: LlamaInput
    let logits: LogitsSelection
    /// The sequence's cache, and how many positions it held before.
    let rows: KVRows
    let start: Int
}

/// The rows of one pass over the weights: positions of several sequences, side by side in every activation.
struct LlamaPass {
    /// Consecutive positions of one sequence.
    struct Segment {
        /// The place of the sequence in the batch.
        let entry: Int
        /// Which positions of the entry's input these are.
        let positions: Range<Int>
        /// The rows of the activations that they have.
        let rows: Range<Int>
        /// The place of the first of them in the sequence's cache.
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
        let place: Int
    }

    let segments: [Segment]
    let rows: [Row]

    /// - Parameter parts: Which positions of which entries.
    init(_ parts: [(entry: Int, positions: Range<Int>)], of batch: [BatchEntry]) {
        var segments: [Segment] = []
        var rows: [Row] = []
        for (entry, positions) in parts where !positions.isEmpty {
            let start = batch[entry].start + positions.lowerBound
            for (offset, position) in positions.enumerated() {
                rows.append(Row(entry: entry, position: position, segment: segments.count, place: start + offset))
            }
            segments.append(
                Segment(
                    entry: entry, positions: positions, rows: rows.count - positions.count..<rows.count, start: start,
                    cache: batch[entry].rows))
        }
        self.segments = segments
        self.rows = rows
    }

    /// The same pass with less of each segment, and the rows that stay.
    func keeping(
        _ batch: [BatchEntry], _ kept: (Segment) -> Range<Int>
    ) -> (pass: LlamaPass, rows: [Range<Int>]) {
        let parts = segments.map { (entry: $0.entry, positions: kept($0)) }
        let rows = zip(segments, parts).map { segment, part in
            let first = segment.rows.lowerBound + part.positions.lowerBound - segment.positions.lowerBound
            return first..<first + part.positions.count
        }
        return (LlamaPass(parts, of: batch), rows)
    }

    /// Neighbouring rows of one segment.
    struct Block {
        let segment: Int
        let rows: Range<Int>
        /// The place of the first row in the sequence's cache.
        let firstPlace: Int
    }

    /// All rows in blocks of at most `size`, those that see most positions first, so that threads end at about the same
    /// time.
    func blocks(of size: Int) -> [Block] {
        var result: [Block] = []
        for (index, segment) in segments.enumerated() {
            for first in stride(from: segment.rows.lowerBound, to: segment.rows.upperBound, by: size) {
                result.append(
                    Block(
                        segment: index, rows: first..<min(first + size, segment.rows.upperBound),
                        firstPlace: segment.start + first - segment.rows.lowerBound))
            }
        }
        return result.sorted { ($1.firstPlace, $0.rows.lowerBound) < ($0.firstPlace, $1.rows.lowerBound) }
    }

    /// Cuts a batch into passes of at most `rowsPerPass` rows, sequence after sequence.
    static func passes(of batch: [BatchEntry], rowsPerPass: Int) -> [LlamaPass] {
        var result: [LlamaPass] = []
        var parts: [(entry: Int, positions: Range<Int>)] = []
        var room = rowsPerPass
        for (entry, content) in batch.enumerated() {
            var next = 0
            while next < content.input.count {
                let end = min(next + room, content.input.count)
                parts.append((entry, next..<end))
                room -= end - next
                next = end
                guard room == 0 else { continue }
                result.append(LlamaPass(parts, of: batch))
                (parts, room) = ([], rowsPerPass)
            }
        }
        if !parts.isEmpty { result.append(LlamaPass(parts, of: batch)) }
        return result
    }
}
