import CKernels
import Tensors

/// What becomes of a product's sums: `activation(sum * scale + shift + residual)`.
public struct Epilogue: Sendable {
    /// The function that comes last.
    public enum Activation: Sendable {
        /// None.
        case none
        /// max(x, 0).
        case relu
        /// x sigmoid(1.702 x).
        case quickGELU
    }

    /// A factor for each output; 1 when nil.
    public var scale: FloatMatrix?
    /// An addend for each output; 0 when nil.
    public var shift: FloatMatrix?
    /// An addend for each element, which may be the result's own memory.
    public var residual: FloatMatrix?
    /// The function that comes last.
    public var activation: Activation

    /// Creates an epilogue. Scale and shift have one row with a number for each output.
    public init(
        scale: FloatMatrix? = nil, shift: FloatMatrix? = nil, residual: FloatMatrix? = nil,
        activation: Activation = .none
    ) {
        self.scale = scale
        self.shift = shift
        self.residual = residual
        self.activation = activation
    }
}

extension MatrixEngine {
    /// The most numbers of a right side that are packed at a time: 4 MiB. Tasks read them so seldom that they may well
    /// be more than a cache holds.
    private static let groupCapacity = 1 << 20
    /// The most numbers that a task packs for itself: 2 MiB.
    private static let ownCapacity = 1 << 19
    /// With more patches than these, weights are read so much longer than packed that it does not matter who packs
    /// them.
    private static let fewPatches = 1024

    /// result = epilogue(patches weightsᵀ): `[patches, depth]` × `[outputs, depth]` → `[patches, outputs]`.
    ///
    /// Rows of the right side are packed before they are multiplied by. With few patches each task packs outputs for
    /// itself and multiplies all patches by them; with many of them all threads share packed blocks. Either packs its
    /// part of the left side as it goes along the depth. Every element is summed in one order, whatever the blocks and
    /// tasks.
    ///
    /// - Throws: The errors of reading tiles.
    public func multiply(
        _ patches: Patches, _ weights: StoredMatrix, _ epilogue: Epilogue = Epilogue(), into result: FloatMatrix
    ) throws {
        precondition(patches.depth == weights.depth)
        precondition(result.rows == patches.count && result.columns == weights.outputs)
        guard patches.count > 0, weights.outputs > 0 else { return }
        if let parts = ownParts(of: weights, patches: patches.count) {
            try forEach(parts.count) { try multiply(patches, weights, rows: parts[$0], epilogue, into: result, $1) }
        } else {
            try multiplySharing(patches, weights, epilogue, into: result)
        }
    }

    /// Outputs for each task to pack for itself; nil when threads had better share what is packed.
    ///
    /// Packed weights that another thread reads travel from one core's cache to the other's, and their memory back when
    /// it is packed into again. With a few hundred patches this can take as long as multiplying them.
    private func ownParts(of weights: StoredMatrix, patches: Int) -> Parts? {
        guard patches <= Self.fewPatches else { return nil }
        let unit = weights.rowsReadTogether ?? 32
        let most = min(Self.ownCapacity / max(weights.depth, 1), weights.outputs / (4 * threadCount))
        let parts = Parts(of: weights.outputs, atMost: max(most / unit, 1) * unit, multipleOf: unit)
        return parts.count >= 2 * threadCount && unit * weights.depth <= Self.ownCapacity ? parts : nil
    }

    /// The product with some of the outputs, whose weights no other task packs.
    func multiply(
        _ patches: Patches, _ weights: StoredMatrix, rows outputs: Range<Int>, _ epilogue: Epilogue,
        into result: FloatMatrix, _ memory: WorkerMemory
    ) throws {
        let block = memory.groups.grow(to: (outputs.count + 15) / 16 * 16 * weights.depth)
        try weights.pack(outputs, into: block, kernels, memory)
        for rows in Parts(of: patches.count, atMost: Int(PVIT_PANEL_ROWS), multipleOf: 12) {
            multiply(patches, rows, by: block, outputs, epilogue, into: result, memory)
        }
    }

    /// The product with weights that are packed in blocks of whole rows, shared by all threads.
    private func multiplySharing(
        _ patches: Patches, _ weights: StoredMatrix, _ epilogue: Epilogue, into result: FloatMatrix
    ) throws {
        let depth = weights.depth
        let blockRows = max(Self.groupCapacity / (16 * max(depth, 1)), 1) * 16
        let block = groups.grow(to: min(blockRows, (weights.outputs + 15) / 16 * 16) * depth)
        for start in stride(from: 0, to: weights.outputs, by: blockRows) {
            let outputs = start..<min(start + blockRows, weights.outputs)
            if outputs.count % 16 > 0 {
                (block + outputs.count / 16 * 16 * depth).update(repeating: 0, count: 16 * depth)
            }
            let pieces = try weights.pieces(of: outputs, step: 16)
            try forEach(pieces.count) { index, memory in
                try weights.pack(pieces[index], firstRow: start, into: block, kernels, memory)
            }
            let (rowParts, groupParts) = tasks(rows: patches.count, groups: (outputs.count + 15) / 16)
            try forEach(rowParts.count * groupParts.count) { task, memory in
                let groups = groupParts[task % groupParts.count]
                let part = start + groups.lowerBound * 16..<min(start + groups.upperBound * 16, outputs.upperBound)
                multiply(
                    patches, rowParts[task / groupParts.count], by: block + groups.lowerBound * 16 * depth, part,
                    epilogue, into: result, memory)
            }
        }
    }

    /// The product of some patches, at most `PVIT_PANEL_ROWS`, with packed outputs.
    private func multiply(
        _ patches: Patches, _ rows: Range<Int>, by block: UnsafePointer<Float>, _ outputs: Range<Int>,
        _ epilogue: Epilogue, into result: FloatMatrix, _ memory: WorkerMemory
    ) {
        let groups = (outputs.count + 15) / 16
        let stride = groups * 16 + 16
        let sums = memory.sums.grow(to: rows.count * stride)
        for (number, columns) in Parts(of: patches.depth, atMost: Int(PVIT_PANEL_DEPTH)).enumerated() {
            patches.gather(rows, columns: columns, into: memory.panel)
            kernels.multiplyPanel(
                memory.panel.start, rows.count, columns.count, block + columns.lowerBound * 16, groups,
                patches.depth * 16, number == 0 ? 0 : 1, sums, stride)
        }
        kernels.finish(
            sums, stride, rows.count, outputs.count, epilogue.from(row: rows.lowerBound, output: outputs.lowerBound),
            result.row(rows.lowerBound) + outputs.lowerBound, result.stride)
    }

    /// Cuts a product into tasks of at most 48 rows and 40 groups, or smaller ones until there are enough of them to
    /// keep all threads busy to the end. More groups in a task share the packing of rows; more rows share the reading
    /// of groups.
    private func tasks(rows: Int, groups: Int) -> (rows: Parts, groups: Parts) {
        let sizes = [(48, 40), (48, 20), (24, 20), (24, 10), (12, 10), (12, 5)]
        let cuts = sizes.map {
            (rows: Parts(of: rows, atMost: $0.0, multipleOf: 12), groups: Parts(of: groups, atMost: $0.1))
        }
        return cuts.first { $0.rows.count * $0.groups.count >= 4 * threadCount } ?? cuts[cuts.count - 1]
    }
}

/// A range cut into parts of about equal size.
struct Parts: RandomAccessCollection {
    private let total: Int
    private let size: Int
    let startIndex = 0
    let endIndex: Int

    /// Cuts `0..<total` into as few parts of at most `largest` as can be, whose sizes are multiples of `unit` but for
    /// the last; `largest` is a multiple of `unit`.
    init(of total: Int, atMost largest: Int, multipleOf unit: Int = 1) {
        self.total = total
        let count = Swift.max((total + largest - 1) / largest, 1)
        size = Swift.max((total + count * unit - 1) / (count * unit) * unit, 1)
        endIndex = (total + size - 1) / size
    }

    subscript(index: Int) -> Range<Int> { index * size..<Swift.min((index + 1) * size, total) }
}

extension Epilogue {
    /// The same from an element on, as kernels take it.
    fileprivate func from(row: Int, output: Int) -> pvit_epilogue {
        pvit_epilogue(
            scale: scale.map { UnsafePointer($0.start + output) },
            shift: shift.map { UnsafePointer($0.start + output) },
            residual: residual.map { UnsafePointer($0.row(row) + output) }, residual_stride: residual?.stride ?? 0,
            activation: activation.code)
    }
}

extension Epilogue.Activation {
    fileprivate var code: pvit_activation {
        switch self {
        case .none: PVIT_ACTIVATION_NONE
        case .relu: PVIT_ACTIVATION_RELU
        case .quickGELU: PVIT_ACTIVATION_QUICK_GELU
        }
    }
}
