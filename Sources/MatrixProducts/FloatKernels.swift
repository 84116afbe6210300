import CKernels
import Tensors

/// The kernels of one instruction set, as functions that are known to exist.
struct FloatKernels: Sendable {
    typealias Values = UnsafePointer<Float>?
    typealias Result = UnsafeMutablePointer<Float>?
    typealias Widen = @convention(c) (UnsafePointer<UInt16>?, Result, Int) -> Void
    typealias DecodeRow = @convention(c) (UnsafePointer<UInt8>?, Int, Int, Float, Result) -> Void

    let widenF16: Widen
    let widenBF16: Widen
    let rowQ8: DecodeRow
    let rowQ4: DecodeRow
    let packRows: @convention(c) (UnsafeRawPointer?, pvit_float_type, Int, Int, Int, Int, Int, Result) -> Void
    let multiplyPanel: @convention(c) (Values, Int, Int, Values, Int, Int, Int32, Result, Int) -> Void
    let finish: @convention(c) (Values, Int, Int, Int, pvit_epilogue, Result, Int) -> Void
    let layerNorm: @convention(c) (Values, Values, Values, Int, Float, Result) -> Void
    let softmax: @convention(c) (Result, Int, Float) -> Void
    let weightedSum: @convention(c) (UnsafePointer<UnsafePointer<Float>?>?, Values, Int, Int, Result) -> Void

    /// The kernels of an instruction set, or the best ones for this machine.
    ///
    /// - Throws: `kernels.missing` when the machine cannot run them.
    init(_ set: pvit_isa? = nil) throws {
        let isa = set ?? pvit_float_kernels_best().pointee.isa
        guard let floats = pvit_float_kernels_for(isa)?.pointee,
            let others = (pvit_kernels_for(isa) ?? pvit_kernels_best())?.pointee,
            let widenF16 = others.f16_to_f32, let widenBF16 = others.bf16_to_f32,
            let rowQ8 = others.row_q8, let rowQ4 = others.row_q4,
            let packRows = floats.pack_rows, let multiplyPanel = floats.multiply_panel, let finish = floats.finish,
            let layerNorm = floats.layer_norm, let softmax = floats.softmax, let weightedSum = floats.weighted_sum
        else {
            throw PVITError(.internalDefect, "a kernel is missing from its table")
        }
        self.widenF16 = widenF16
        self.widenBF16 = widenBF16
        self.rowQ8 = rowQ8
        self.rowQ4 = rowQ4
        self.packRows = packRows
        self.multiplyPanel = multiplyPanel
        self.finish = finish
        self.layerNorm = layerNorm
        self.softmax = softmax
        self.weightedSum = weightedSum
    }
}
