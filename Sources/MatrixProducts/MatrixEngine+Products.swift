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
    /// The most numbers of a right side that are packed at a time: 16 MiB. Tasks read them so seldom that they may well be
    /// more than a cache holds.
    private static let groupCapacity = 1 << 20

    /// result = epilogue(patches weightsᵀ): `[patches, depth]` × `[outputs, depth]` → `[patches, outputs]`.
    ///
    /// The right side is packed in blocks of whole rows, shared by all threads. A task then takes some patches and outputs of
    /// a block, and packs its part of the left side as it goes along the depth. Every element is summed in one order,
    /// whatever the blocks and tasks.
    ///
    /// - Throws: The errors of reading tiles.
    public func multiply(
        _ patches: Patches, _ weights: StoredMatrix, _ epilogue: Epilogue = Epilogue(), into result: FloatMatrix
    ) throws {
        precondition(patches.depth == weights.depth)
        precondition(result.rows == patches.count && result.columns == weights.outputs)
        guard patches.count > 0, weights.outputs > 0 else { return }
        let blockRows = max(Self.groupCapacity / (16 * max(weights.depth, 1)), 1) * 16
        let block = groups.grow(to: min(blockRows, (weights.outputs + 15) / 16 * 16) * weights.depth)
        for start in stride(from: 0, to: weights.outputs, by: blockRows) {
            let outputs = start..<min(start + blockRows, weights.outputs)
            try pack(outputs, of: weights, into: block)
            try multiply(patches, block, outputs, epilogue, into: result)
        }
    }

    /// Packs rows of a right side into groups; lanes without a row are zeros.
    private func pack(
        _ outputs: Range<Int>, of weights: StoredMatrix, into block: UnsafeMutablePointer<Float>
    ) throws {
        if outputs.count % 16 > 0 {
            let group = 16 * weights.depth
            (block + outputs.count / 16 * group).update(repeating: 0, count: group)
        }
        let pieces = try weights.pieces(of: outputs, step: 16)
        try forEach(pieces.count) { index, memory in
            try weights.pack(pieces[index], firstRow: outputs.lowerBound, into: block, kernels, memory)
        }
    }

    /// The product with one packed block.
    private func multiply(
        _ patches: Patches, _ block: UnsafePointer<Float>, _ outputs: Range<Int>, _ epilogue: Epilogue,
        into result: FloatMatrix
    ) throws {
        let depth = patches.depth
        let (rowParts, groupParts) = tasks(rows: patches.count, groups: (outputs.count + 15) / 16)
        let depthParts = Parts(of: depth, atMost: Int(PVIT_PANEL_DEPTH))
        try forEach(rowParts.count * groupParts.count) { task, memory in
            let rows = rowParts[task / groupParts.count]
            let groups = groupParts[task % groupParts.count]
            let stride = groups.count * 16 + 16
            let sums = memory.sums.grow(to: rows.count * stride)
            for (number, columns) in depthParts.enumerated() {
                patches.gather(rows, columns: columns, into: memory.panel)
                kernels.multiplyPanel(
                    memory.panel.start, rows.count, columns.count,
                    block + (groups.lowerBound * depth + columns.lowerBound) * 16, groups.count, depth * 16,
                    number == 0 ? 0 : 1, sums, stride)
            }
            let first = outputs.lowerBound + groups.lowerBound * 16
            let count = min(groups.count * 16, outputs.upperBound - first)
            kernels.finish(
                sums, stride, rows.count, count, epilogue.from(row: rows.lowerBound, output: first),
                result.row(rows.lowerBound) + first, result.stride)
        }
    }

    /// Cuts a product into tasks of at most 48 rows and 40 groups, or smaller ones until there are enough of them to keep all
    /// threads busy to the end. More groups in a task share the packing of rows; more rows share the reading of groups.
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

    /// Cuts `0..<total` into as few parts of at most `largest` as can be, whose sizes are multiples of `unit` but for the
    /// last; `largest` is a multiple of `unit`.
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
